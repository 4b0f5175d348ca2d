// Who delivers to whom, drawn, and as a table.

import { bytes } from '../model/words';
import { audience } from './audience';
import { drawn, type Flow, flowsToCsv, type Giver, GIVERS, type Near, sum, type Taker, TAKERS } from './flows';
import { save } from './save';

const GIVES: Readonly<Record<Giver, string>> = { pages: 'Browser tabs', programs: 'Programs', origin: 'The origin' };
const TAKES: Readonly<Record<Taker, string>> = { pages: 'To tabs', programs: 'To programs' };
const NEAR: Readonly<Record<Near, string>> = { lan: 'in the same network', isp: 'at the same operator', other: 'elsewhere', origin: 'by the provider' };

const CURVE = 45;

function Drawn({ flows }: { flows: readonly Flow[] }) {
  const { givers, takers, ribbons } = drawn(flows);
  const beside = (side: 'from' | 'to') => (name: string, top: number, height: number, words: string) => (
    <p key={name} style={{ top: `${top + height / 2}%` }}>
      {words}
      <b>{bytes(sum(flows.filter((flow) => flow[side] === name)))}</b>
    </p>
  );
  return (
    <div class="flow" aria-hidden="true">
      <div class="flow-side">{givers.map(({ name, top, height }) => beside('from')(name, top, height, GIVES[name]))}</div>
      <svg viewBox="0 0 100 100" preserveAspectRatio="none">
        {ribbons.map(({ flow, left, right, height }) => (
          <path
            key={`${flow.from} ${flow.near} ${flow.to}`}
            class={`flow-${flow.near}`}
            d={`M0,${left}C${CURVE},${left} ${100 - CURVE},${right} 100,${right}v${height}C${100 - CURVE},${right + height} ${CURVE},${left + height} 0,${left + height}Z`}
          />
        ))}
        {givers.map(({ name, top, height }) => (
          <rect key={name} x="0" y={top} width="1" height={height} />
        ))}
        {takers.map(({ name, top, height }) => (
          <rect key={name} x="99" y={top} width="1" height={height} />
        ))}
      </svg>
      <div class="flow-side">{takers.map(({ name, top, height }) => beside('to')(name, top, height, TAKES[name]))}</div>
    </div>
  );
}

function Row({ from, near, flows }: { from: Giver; near: Near; flows: readonly Flow[] }) {
  const row = flows.filter((flow) => flow.from === from && flow.near === near);
  if (sum(row) === 0) return null;
  const share = (sum(row) / sum(flows)) * 100;
  return (
    <tr>
      <th scope="row">
        <i class={`dot flow-${near}`} />
        {GIVES[from]}
        {near === 'origin' ? '' : `, ${NEAR[near]}`}
      </th>
      {TAKERS.map((to) => (
        <td key={to} class="number">
          {bytes(sum(row.filter((flow) => flow.to === to)))}
        </td>
      ))}
      <td class="number">{`${share >= 9.95 ? Math.round(share) : share.toFixed(1)} %`}</td>
    </tr>
  );
}

export function Delivery() {
  const flows = audience.value?.flows ?? [];
  if (sum(flows) === 0) return <p class="quiet">Nothing was reported yet: players tell about once a minute, and when they have ended.</p>;
  return (
    <>
      <Drawn flows={flows} />
      <table class="delivery">
        <thead>
          <tr>
            <th scope="col">Who delivered</th>
            {TAKERS.map((to) => (
              <th key={to} scope="col" class="number">
                {TAKES[to]}
              </th>
            ))}
            <th scope="col" class="number">
              Of all
            </th>
          </tr>
        </thead>
        <tbody>
          {GIVERS.flatMap((from) => (['lan', 'isp', 'other', 'origin'] as const).map((near) => <Row key={`${from} ${near}`} from={from} near={near} flows={flows} />))}
        </tbody>
      </table>
      <p class="quiet">
        What players reported, held-out ones left out. Without a database of operators, those whose addresses
        lie in one block (/24, /48) count as of one operator, and all others as elsewhere. Nobody is named, and no address is kept.
      </p>
      <button type="button" class="export" onClick={() => save('nearcast-delivery.csv', flowsToCsv(flows))}>
        Export CSV<span class="sr-only"> of who delivers to whom</span>
      </button>
    </>
  );
}
