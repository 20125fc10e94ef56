// From counts per bucket to what a chart draws and a reader is told. Pure.
import { rate } from "./format.ts";

/** Counts per bucket as rates at the time `now`; null is not known yet. A long bucket that is still filling is read by
 * the part that passed. A short one is a lower bound: it is drawn when it is already higher than the one before, so that
 * a rise is seen at once and no false dip stands at the end. */
export function rates(
  counts: readonly (number | null)[],
  at: readonly number[],
  step: number,
  now: number,
): (number | null)[] {
  const { factor } = rate(step);
  return counts.map((value, index) => {
    const elapsed = now - (at[index] ?? 0);
    if (value === null || elapsed >= step) return value === null ? null : value * factor;
    if (step > 2 && elapsed > step / 6) return (value * factor * step) / elapsed;
    return value > (counts[index - 1] ?? 0) ? value * factor : null;
  });
}

/** Lines of the same buckets, added up; unknown where none is known. */
export function added(lines: readonly (readonly (number | null)[])[]): (number | null)[] {
  return (lines[0] ?? []).map((_, index) => {
    const known = lines.map((line) => line[index] ?? null).filter((value) => value !== null);
    return known.length ? known.reduce((sum, value) => sum + value, 0) : null;
  });
}

/** What is going on now: the mean of the last ten seconds, or of the last whole bucket. */
export function latest(values: readonly (number | null)[], step: number): number | null {
  const known = values.filter((value) => value !== null).slice(-Math.max(1, Math.floor(10 / step)));
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

export function highest(values: readonly (number | null)[]): { value: number; index: number } | null {
  let found: { value: number; index: number } | null = null;
  values.forEach((value, index) => {
    if (value !== null && (!found || value > found.value)) found = { value, index };
  });
  return found;
}

export interface Row {
  at: number;
  values: (number | null)[];
}

/** At most `most` rows for the table beside a chart: neighbours are averaged, unknown ones left out. */
export function thinned(at: readonly number[], lines: readonly (readonly (number | null)[])[], most: number): Row[] {
  const size = Math.max(1, Math.ceil(at.length / most));
  const rows: Row[] = [];
  for (let start = 0; start < at.length; start += size) {
    const values = lines.map((line) => {
      const known = line.slice(start, start + size).filter((value) => value !== null);
      return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
    });
    rows.push({ at: at[start]!, values });
  }
  return rows;
}

/** Sums of rows that agree in one thing, the largest first. */
export function summed<T>(rows: readonly T[], by: (row: T) => string, of: (row: T) => number): [string, number][] {
  const sums = new Map<string, number>();
  for (const row of rows) sums.set(by(row), (sums.get(by(row)) ?? 0) + of(row));
  return [...sums].sort((one, other) => other[1] - one[1] || one[0].localeCompare(other[0]));
}

/** Counts as a share, null where there is nothing to have a share of. */
export function share(part: number, whole: number): number | null {
  return whole > 0 ? part / whole : null;
}

/** Which of five shades a value has, by its root: a country with a hundredth of the most is still seen. */
export function shade(value: number, most: number): number {
  return most > 0 ? Math.min(4, Math.floor(Math.sqrt(value / most) * 5)) : 0;
}
