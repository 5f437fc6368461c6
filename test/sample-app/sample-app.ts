import { AppModule } from '../../sample-app/app.module.js';
import type { AppSettings } from '../../sample-app/app.settings.js';
import { startApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import type { RunningApp } from '../support/app.js';

export interface SampleApp {
  readonly database: TestDatabase;
  readonly app: RunningApp;
  readonly url: string;
  close(): Promise<void>;
}

/** The sample app as its users get it, its own rule of who writes included, on a database of its own. */
export async function startSampleApp(
  settings: Pick<AppSettings, 'jwtSecret' | 'demo'> = {},
): Promise<SampleApp> {
  const database = await createDatabase();
  const { url: databaseUrl, slotName, publicationName } = database;
  try {
    const module = AppModule.forRoot({ databaseUrl, slotName, publicationName, ...settings });
    const app = await startApp({ database, module });
    const close = async (): Promise<void> => {
      await app.close();
      await database.drop();
    };
    return { database, app, url: app.url, close };
  } catch (error) {
    await database.drop();
    throw error;
  }
}
