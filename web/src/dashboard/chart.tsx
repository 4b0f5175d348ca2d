// What is drawn over time: a line, or bars of several sources on each other.

import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { shownSpan } from './span';

interface ChartProps {
  label: string;
  /** Seconds since 1970. */
  times: readonly number[];
  values: readonly (number | null)[];
  /** A CSS variable. */
  colour: string;
  show: (value: number) => string;
}

interface StackProps {
  label: string;
  /** Seconds since 1970, as far apart as the bars are wide. */
  times: readonly number[];
  /** From the lowest to the highest: a name, a CSS variable, and a value for each time. */
  parts: readonly { readonly name: string; readonly colour: string; readonly values: readonly number[] }[];
  show: (value: number) => string;
}

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Canvas knows no `light-dark()`: the browser resolves it on an element. */
function resolved(variable: string): string {
  const probe = document.createElement('i');
  probe.style.color = `var(${variable})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color || css(variable);
}

const HEIGHT = 220;

/** What all charts have. */
function frame(width: number, span: () => [number, number] | [null, null], show: (value: number) => string): Omit<uPlot.Options, 'series'> {
  const [dim, grid] = [resolved('--dim'), resolved('--line')];
  // Times with seconds and dates are wider than the 50 pixels that are taken for them.
  const axis = { stroke: dim, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
  return {
    width,
    height: HEIGHT,
    padding: [12, 8, 0, 0],
    cursor: { points: { size: 8 } },
    legend: { live: true },
    scales: { x: { range: span }, y: { range: (_u, _min, max) => [0, Math.max(1, max * 1.15)] } },
    axes: [{ ...axis, space: 90 }, { ...axis, size: 76, values: (_, ticks) => ticks.map(show) }],
  };
}

/** Keeps a drawing as wide as its place, in the colours of the moment, with the latest data. */
function Plot({ label, data, options }: { label: string; data: uPlot.AlignedData; options: (width: number) => uPlot.Options }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef({ data, options });
  latest.current = { data, options };
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const make = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(latest.current.options(element.clientWidth), latest.current.data, element);
    };
    make();
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', make);
    const size = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    size.observe(element);
    return () => {
      dark.removeEventListener('change', make);
      size.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);
  useEffect(() => plot.current?.setData(data), [data]);
  return <div ref={box} class="chart" role="img" aria-label={label} />;
}

export function Chart(props: ChartProps) {
  const latest = useRef(props);
  latest.current = props;
  const options = (width: number): uPlot.Options => {
    const { label, colour, show } = latest.current;
    const line = resolved(colour);
    const value = (_: uPlot, v: number | null): string => (v === null ? '–' : show(v));
    const fill = line.replace(/^rgb\(/u, 'rgba(').replace(/\)$/u, ', 0.13)');
    const series = [{ label: 'Time' }, { label, stroke: line, width: 2, fill, value, spanGaps: false }];
    return { ...frame(width, () => shownSpan(latest.current.times), show), series };
  };
  return <Plot label={props.label} data={[[...props.times], [...props.values]]} options={options} />;
}

/** Each part with all below it: the highest is drawn first, and the others over it. */
function stacked({ times, parts }: StackProps): uPlot.AlignedData {
  const below = times.map(() => 0);
  const tops = parts.map(({ values }) => {
    values.forEach((value, n) => (below[n] = (below[n] ?? 0) + value));
    return [...below];
  });
  return [[...times], ...tops.toReversed()];
}

export function Stack(props: StackProps) {
  const latest = useRef(props);
  latest.current = props;
  const options = (width: number): uPlot.Options => {
    const bars = uPlot.paths.bars?.({ size: [0.8, 60] });
    const series = latest.current.parts.toReversed().map(({ name, colour }, n): uPlot.Series => {
      const fill = resolved(colour);
      const value = (_: uPlot, _v: number | null, _s: number, at: number | null): string => {
        const { parts, show } = latest.current;
        const found = at === null ? undefined : parts[parts.length - 1 - n]?.values[at];
        return found === undefined ? '–' : show(found);
      };
      return { label: name, fill, stroke: fill, width: 0, value, points: { show: false }, ...(bars === undefined ? {} : { paths: bars }) };
    });
    const span = (): [number, number] => {
      const { times } = latest.current;
      const half = ((times[1] ?? 0) - (times[0] ?? 0)) / 2;
      return [(times[0] ?? 0) - half, (times.at(-1) ?? 0) + half];
    };
    return { ...frame(width, span, latest.current.show), series: [{ label: 'Time' }, ...series] };
  };
  return <Plot label={props.label} data={stacked(props)} options={options} />;
}
