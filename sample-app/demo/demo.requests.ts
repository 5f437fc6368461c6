import { IsBoolean, IsIn, IsNotEmpty, IsString, MaxLength } from 'class-validator';
import { DEMO_USERS } from './demo-users.js';

export class SignInRequest {
  @IsIn(DEMO_USERS)
  user!: string;
}

export class RenameTaskRequest {
  @IsString()
  @IsNotEmpty()
  @MaxLength(200)
  title!: string;
}

export class CreateTaskRequest extends RenameTaskRequest {
  @IsIn(DEMO_USERS)
  user!: string;
}

export class ShareTaskRequest {
  @IsIn(DEMO_USERS)
  user!: string;

  @IsBoolean()
  canEdit!: boolean;
}
