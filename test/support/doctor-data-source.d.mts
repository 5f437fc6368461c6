import type { DataSource } from 'typeorm';

export function makeDataSource(url: string): DataSource;
export const appDataSource: DataSource;
