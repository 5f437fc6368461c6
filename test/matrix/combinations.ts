/** Versions of the host's packages that belong together: what `npm install` is asked for. */
export interface Combination {
  readonly nest: string;
  readonly nestTypeorm: string;
  readonly typeorm: string;
  readonly pg: string;
}

/** Nest with the `@nestjs/typeorm` that takes each TypeORM: version 10 of it takes 0.3 alone. */
const NESTS = [
  { nest: '10.4.0', nestTypeorm: { old: '10.0.2', new: '11' } },
  { nest: '11', nestTypeorm: { old: '11', new: '11' } },
  { nest: '12', nestTypeorm: { old: '12', new: '12' } },
] as const;

const TYPEORMS = ['0.3.20', '0.3', '1'] as const;
const PGS = ['8.15.0', '8'] as const;

/**
 * Nest 10, 11 and 12 with the oldest and the newest TypeORM 0.3 and with TypeORM 1; the oldest and the newest pg in turn,
 * so that each meets every Nest and every TypeORM.
 * @param all each with each
 */
export function combinations({ all }: { readonly all: boolean }): readonly Combination[] {
  return NESTS.flatMap(({ nest, nestTypeorm }, row) =>
    TYPEORMS.flatMap((typeorm, column) =>
      PGS.filter((_, index) => all || index === (row + column) % 2).map((pg) => ({
        nest,
        nestTypeorm: typeorm === '1' ? nestTypeorm.new : nestTypeorm.old,
        typeorm,
        pg,
      })),
    ),
  );
}
