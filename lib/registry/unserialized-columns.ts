import { createRequire } from 'node:module';
import type { EntityMetadata } from 'typeorm';

/**
 * The columns that the entity keeps out of the host's JSON, by `@Exclude()` of class-transformer. Its decorators write to
 * a storage of its own, which is found among the modules that the host has loaded: whoever decorates has it loaded, in
 * whatever version and folder, and others need not install it.
 */
export function unserializedColumns(metadata: EntityMetadata): readonly string[] {
  const storages = loadedStorages();
  return metadata.columns
    .filter(({ propertyName, embeddedMetadata }) => {
      const target = embeddedMetadata?.type ?? metadata.target;
      // An EntitySchema has no class to decorate.
      if (typeof target !== 'function') return false;
      return storages.some((storage) => isExcluded(storage, target, propertyName));
    })
    .map(({ databaseName }) => databaseName);
}

/** The part of class-transformer's `MetadataStorage` that its own `instanceToPlain` goes by. */
interface Storage {
  findExcludeMetadata(
    target: unknown,
    property: string,
  ): { readonly options?: { readonly toClassOnly?: boolean } } | undefined;
  findExposeMetadata(target: unknown, property: string): object | undefined;
  getStrategy(target: unknown): string;
}

function isExcluded(storage: Storage, target: unknown, property: string): boolean {
  const own = storage.findExcludeMetadata(target, property);
  if (own) return own.options?.toClassOnly !== true;
  return storage.getStrategy(target) === 'excludeAll' && !storage.findExposeMetadata(target, property);
}

const STORAGE = /[\\/]class-transformer[\\/]cjs[\\/]storage\.js$/;

/** Several, where packages have copies of their own. */
function loadedStorages(): readonly Storage[] {
  const { cache } = createRequire(import.meta.url);
  return Object.keys(cache)
    .filter((file) => STORAGE.test(file))
    .flatMap((file) => storageOf(cache[file]?.exports));
}

function storageOf(exports: unknown): readonly Storage[] {
  if (typeof exports !== 'object' || exports === null || !('defaultMetadataStorage' in exports)) return [];
  const { defaultMetadataStorage: storage } = exports;
  return isStorage(storage) ? [storage] : [];
}

function isStorage(value: unknown): value is Storage {
  const methods = ['findExcludeMetadata', 'findExposeMetadata', 'getStrategy'];
  return (
    typeof value === 'object' &&
    value !== null &&
    methods.every((method) => typeof Reflect.get(value, method) === 'function')
  );
}
