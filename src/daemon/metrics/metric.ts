/** Metrics in Prometheus' text format (exposition formats, version 0.0.4). */
export interface Metric {
  /** Its lines, each with its end. */
  expose(): string;
}

export type MetricLabels = Readonly<Record<string, string>>;

abstract class Family implements Metric {
  readonly name: string;
  readonly #help: string;
  readonly #type: string;

  constructor(name: string, help: string, type: string) {
    this.name = name;
    this.#help = help;
    this.#type = type;
  }

  expose(): string {
    return `# HELP ${this.name} ${this.#help}\n# TYPE ${this.name} ${this.#type}\n${this.samples().join('')}`;
  }

  protected abstract samples(): readonly string[];
}

/** Values by their labels; in the order in which they first came. */
class Values {
  readonly #values = new Map<string, number>();

  add(labels: MetricLabels, amount: number): void {
    const key = formatLabels(labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
  }

  set(labels: MetricLabels, value: number): void {
    this.#values.set(formatLabels(labels), value);
  }

  samples(name: string): string[] {
    return [...this.#values].map(([labels, value]) => `${name}${labels} ${value}\n`);
  }
}

/** What only grows. */
export class Counter extends Family {
  readonly #values = new Values();

  constructor(name: string, help: string) {
    super(name, help, 'counter');
  }

  add(labels: MetricLabels, amount = 1): void {
    this.#values.add(labels, amount);
  }

  protected override samples(): readonly string[] {
    return this.#values.samples(this.name);
  }
}

/** What goes up and down. */
export class Gauge extends Family {
  readonly #values = new Values();

  constructor(name: string, help: string) {
    super(name, help, 'gauge');
  }

  add(labels: MetricLabels, amount: number): void {
    this.#values.add(labels, amount);
  }

  set(labels: MetricLabels, value: number): void {
    this.#values.set(labels, value);
  }

  protected override samples(): readonly string[] {
    return this.#values.samples(this.name);
  }
}

interface Observations {
  readonly labels: MetricLabels;
  /** How many fell into each bucket alone; the last is for what is above all bounds. */
  readonly counts: number[];
  sum: number;
}

/** How often something was at most so large. `bounds` ascend. */
export class Histogram extends Family {
  readonly #bounds: readonly number[];
  readonly #observations = new Map<string, Observations>();

  constructor(name: string, help: string, bounds: readonly number[]) {
    super(name, help, 'histogram');
    this.#bounds = bounds;
  }

  observe(labels: MetricLabels, value: number): void {
    const key = formatLabels(labels);
    let found = this.#observations.get(key);
    if (found === undefined) {
      found = { labels, counts: new Array(this.#bounds.length + 1).fill(0), sum: 0 };
      this.#observations.set(key, found);
    }
    const bucket = this.#bounds.findIndex(bound => value <= bound);
    const position = bucket < 0 ? this.#bounds.length : bucket;
    found.counts[position] = found.counts[position]! + 1;
    found.sum += value;
  }

  protected override samples(): readonly string[] {
    return [...this.#observations].flatMap(([key, { labels, counts, sum }]) => {
      let total = 0;
      const buckets = counts.map((count, position) => {
        total += count;
        const le = String(this.#bounds[position] ?? '+Inf');
        return `${this.name}_bucket${formatLabels({ ...labels, le })} ${total}\n`;
      });
      return [...buckets, `${this.name}_sum${key} ${sum}\n`, `${this.name}_count${key} ${total}\n`];
    });
  }
}

function formatLabels(labels: MetricLabels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
