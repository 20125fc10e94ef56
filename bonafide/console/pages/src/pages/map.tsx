// Map: countries by how many decisions or which share of them was refused, and the same as a table.
import { geoEqualEarth, geoPath } from "d3-geo";
import { useMemo } from "preact/hooks";
import { feature } from "topojson-client";
import world from "world-atlas/countries-110m.json";
import { narrowed, toPage } from "../address.ts";
import { useApp } from "../app.ts";
import type { Cause } from "../contract.ts";
import { count, country, lettersOf, percent } from "../format.ts";
import { Heading } from "../heading.tsx";
import { Empty, Go, Table, Waiting } from "../parts.tsx";
import { shade, share } from "../series.ts";
import { useCauses } from "./causes.tsx";

const WIDTH = 960;
const HEIGHT = 430;
const ANTARCTICA = "010";
const BY = { count: "Decisions", refused: "Refused", share: "Refused share" } as const;
type By = keyof typeof BY;

interface Place { code: string; all: number; refused: number }

export function WorldMap() {
  const { address, go } = useApp();
  const by: By = address.more.by === "count" || address.more.by === "share" ? address.more.by : "refused";
  const polled = useCauses("country");
  const places = polled.data ? placesOf(polled.data.rows) : [];
  const value = (place: Place): number => (by === "count" ? place.all : by === "refused" ? place.refused : (share(place.refused, place.all) ?? 0));
  const most = Math.max(0, ...places.filter((place) => place.code).map(value));
  const sorted = [...places].sort((one, other) => value(other) - value(one) || other.all - one.all);
  const said = (place: Place): string => (by === "share" ? percent(value(place)) : count(value(place)));
  return (
    <>
      <Heading title="Map" polled={polled} />
      <span class="segments" role="group" aria-label="Countries by">
        {(Object.keys(BY) as By[]).map((name) => (
          <button type="button" key={name} aria-pressed={name === by} onClick={() => go({ ...address, more: { by: name } }, true)}>{BY[name]}</button>
        ))}
      </span>
      <Waiting polled={polled} />
      {polled.data && (
        <div class="map">
          <figure>
            <Countries shadeOf={(code) => {
              const place = places.find((one) => one.code === code);
              return place ? shade(value(place), most) : null;
            }} labelOf={(code) => {
              const place = places.find((one) => one.code === code);
              return place ? `${country(code)}: ${said(place)}` : `${country(code)}: nothing`;
            }} onChoose={(code) => go(toPage(narrowed(address, "country", code), "causes"))} />
            <figcaption class="scale">
              <span>{by === "share" ? "0 %" : "0"}</span>
              {[0, 1, 2, 3, 4].map((level) => <i key={level} class={`shade-${level}`} aria-hidden="true" />)}
              <span>{by === "share" ? percent(most) : count(most)} {BY[by].toLowerCase()}</span>
            </figcaption>
          </figure>
          {sorted.length === 0 ? <Empty>No decision of this window names a country. CountryHeader names the header in which your CDN writes it.</Empty> : (
            <Table label="Countries" head={["Country", "#Decisions", "#Refused", "#Share"]}>
              {sorted.map((place) => (
                <tr key={place.code} data-country={place.code}>
                  <th scope="row">
                    <Go to={toPage(narrowed(address, "country", place.code), "causes")}>{place.code ? `${country(place.code)} (${place.code})` : "Not known"}</Go>
                  </th>
                  <td class="number">{count(place.all)}</td>
                  <td class="number">{count(place.refused)}</td>
                  <td class="number">{percent(share(place.refused, place.all))}</td>
                </tr>
              ))}
            </Table>
          )}
        </div>
      )}
      <p class="hint">
        The map is for the eye: the table has every country, small ones too. Only enrolments, renewals and signals know their country.
        Borders are those of Natural Earth at 1:110 million, and no statement of ours.
      </p>
    </>
  );
}

function placesOf(rows: readonly Cause[]): Place[] {
  const places = new Map<string, Place>();
  for (const row of rows) {
    if (row.facts.country === undefined) continue;
    const code = row.facts.country;
    const place = places.get(code) ?? { code, all: 0, refused: 0 };
    place.all += row.count;
    if (row.outcome === "refused") place.refused += row.count;
    places.set(code, place);
  }
  return [...places.values()];
}

function Countries({ shadeOf, labelOf, onChoose }: {
  shadeOf: (code: string) => number | null; labelOf: (code: string) => string; onChoose: (code: string) => void;
}) {
  const shapes = useMemo(() => {
    const shown = feature(world, world.objects.countries).features.filter((one) => one.id !== ANTARCTICA);
    const path = geoPath(geoEqualEarth().fitSize([WIDTH, HEIGHT], { type: "FeatureCollection", features: shown })).digits(1);
    return shown.map((one) => ({ code: lettersOf(String(one.id ?? "")), outline: path(one) ?? "" }));
  }, []);
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label="Map of the world; the table beside it has the same numbers">
      {shapes.map(({ code, outline }, index) => {
        const level = code ? shadeOf(code) : null;
        return (
          <path key={index} d={outline} class={level === null ? "land" : `shade-${level} known`} data-country={code}
            onClick={level === null || !code ? undefined : () => onChoose(code)}>
            {code && <title>{labelOf(code)}</title>}
          </path>
        );
      })}
    </svg>
  );
}
