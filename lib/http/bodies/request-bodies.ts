import { IsArray, IsObject, IsOptional } from 'class-validator';
import type { ExactNumber } from '../../common/json/lossless-json.js';
import { IsInt64 } from '../is-int64.js';
import { IsKey, IsText, TEXT_BYTES } from '../is-text.js';

type Optional<Value> = Value | null | undefined;

/** The members of every device's body. Absent and null are the same (Kotlin sends null, Swift nothing). */
export class SyncBody {
  @IsOptional() @IsKey() client_id: Optional<string> = undefined;
  @IsOptional() @IsInt64() schema_version: Optional<ExactNumber> = undefined;
  @IsOptional() @IsText(TEXT_BYTES.word) schema_hash: Optional<string> = undefined;
}

export class RegisterBody extends SyncBody {
  @IsOptional() @IsText(TEXT_BYTES.name) client_name: Optional<string> = undefined;
  @IsOptional() @IsText(TEXT_BYTES.word) platform: Optional<string> = undefined;
  @IsOptional() @IsText(TEXT_BYTES.word) app_version: Optional<string> = undefined;
}

export class PullBody extends SyncBody {
  @IsOptional() @IsInt64() checkpoint: Optional<ExactNumber> = undefined;
  @IsOptional() @IsInt64() limit: Optional<ExactNumber> = undefined;
  @IsOptional() @IsArray() @IsText(TEXT_BYTES.word, { each: true }) tables: Optional<string[]> = undefined;
  @IsOptional() @IsArray() @IsText(TEXT_BYTES.bucket, { each: true }) known_buckets: Optional<string[]> =
    undefined;
  @IsOptional() @IsText(TEXT_BYTES.word) after: Optional<string> = undefined;
  @IsOptional() @IsInt64() wait_ms: Optional<ExactNumber> = undefined;
}

export class PushBody extends SyncBody {
  /** Each change is judged by itself: a malformed one is no fault of the others'. */
  @IsOptional() @IsArray() changes: Optional<unknown[]> = undefined;
}

export class SnapshotBody extends SyncBody {
  @IsOptional() @IsObject() cursor: Optional<Record<string, unknown>> = undefined;
  @IsOptional() @IsInt64() limit: Optional<ExactNumber> = undefined;
}

export class CursorBody {
  @IsOptional() @IsInt64() checkpoint: Optional<ExactNumber> = undefined;
  @IsOptional() @IsInt64() table_idx: Optional<ExactNumber> = undefined;
  @IsOptional() @IsText(TEXT_BYTES.cursor) after_id: Optional<string> = undefined;
}
