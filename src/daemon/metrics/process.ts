import { Counter, Gauge, type Metric } from './metric.ts';

/** This process, by the names that Prometheus' own client libraries have for it. */
export function measureProcess(): readonly Metric[] {
  const { user, system } = process.cpuUsage();
  const cpu = new Counter('process_cpu_seconds_total', 'Processor time used, in seconds.');
  cpu.add({}, (user + system) / 1e6);
  const memory = process.memoryUsage();
  return [
    cpu,
    gauge('process_resident_memory_bytes', 'Memory that is resident.', memory.rss),
    gauge('process_heap_bytes', "Memory of JavaScript's heap.", memory.heapUsed),
    gauge(
      'process_start_time_seconds',
      'When the process started, since 1970.',
      Math.floor(performance.timeOrigin) / 1000,
    ),
  ];
}

function gauge(name: string, help: string, value: number): Metric {
  const metric = new Gauge(name, help);
  metric.set({}, value);
  return metric;
}
