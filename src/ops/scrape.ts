/**
 * What `/metrics` says: of one gate, or of the workers of one machine together. A number that cannot be brought up to date
 * within a second is told as it last was, and counted.
 */
import type { MetricObjectWithValues, MetricValue } from 'prom-client'
import { AggregatorRegistry } from 'prom-client'
import type { Metrics } from '../runtime/metrics.ts'

export interface Scrape {
  readonly type: string
  readonly text: string
}
/** The numbers of one gate, as they go from a worker to the process that tells them. */
export type Numbers = MetricObjectWithValues<MetricValue<string>>[]

const REFRESH_MS = 1000

/** @param refresh brings the numbers up to date */
export async function numbersOf(metrics: Metrics, refresh: () => Promise<void>): Promise<Numbers> {
  if (!(await inTime(refresh()))) metrics.refreshFailures.inc()
  return metrics.registry.getMetricsAsJSON()
}

/** Each worker's numbers carry a label of its own, so that none is added to another. */
export async function scrapeOf(all: readonly Numbers[]): Promise<Scrape> {
  const registry = AggregatorRegistry.aggregate([...all])
  return { type: registry.contentType, text: await registry.metrics() }
}

/** Whether it was done, without an error, before a scrape would give up. */
async function inTime(work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), REFRESH_MS)
  })
  const done = work.then(
    () => true,
    () => false,
  )
  try {
    return await Promise.race([done, late])
  } finally {
    clearTimeout(timer)
  }
}
