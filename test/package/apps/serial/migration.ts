import type { MigrationInterface, QueryRunner } from 'typeorm';

/** As the command line makes them; the last statement is of docs/add-to-an-existing-app.md. */
export class CreateNotes1700000000000 implements MigrationInterface {
  name = 'CreateNotes1700000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE TABLE "user" ("id" SERIAL NOT NULL, "email" character varying NOT NULL, "password" character varying,
         CONSTRAINT "UQ_user_email" UNIQUE ("email"), CONSTRAINT "PK_user" PRIMARY KEY ("id"))`,
    );
    await queryRunner.query(
      `CREATE TABLE "note" ("id" SERIAL NOT NULL, "syncId" uuid NOT NULL DEFAULT gen_random_uuid(),
         "text" character varying NOT NULL, "stars" integer NOT NULL DEFAULT 0, "userId" integer NOT NULL,
         "moderation" character varying,
         "createdAt" TIMESTAMP NOT NULL DEFAULT now(), "updatedAt" TIMESTAMP NOT NULL DEFAULT now(), "deletedAt" TIMESTAMP,
         CONSTRAINT "UQ_note_syncId" UNIQUE ("syncId"), CONSTRAINT "PK_note" PRIMARY KEY ("id"),
         CONSTRAINT "FK_note_user" FOREIGN KEY ("userId") REFERENCES "user" ("id") ON DELETE CASCADE)`,
    );
    await queryRunner.query(`ALTER TABLE "note" REPLICA IDENTITY USING INDEX "UQ_note_syncId"`);
    await queryRunner.query(`INSERT INTO "user" ("email") VALUES ('alice@example.com'), ('bob@example.com')`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE "note"`);
    await queryRunner.query(`DROP TABLE "user"`);
  }
}
