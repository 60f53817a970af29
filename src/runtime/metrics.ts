/** Every number that the gate tells of itself, with a closed set of labels: no meter, client text or path is ever one. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'

export type Metrics = ReturnType<typeof metricsOf>

export function metricsOf() {
  const registers = [new Registry()]
  const registry = registers[0] as Registry
  return {
    registry,
    decisions: new Counter({
      name: 'ecluse_decisions_total',
      help: 'Requests by result and reason',
      labelNames: ['result', 'reason'] as const,
      registers,
    }),
    shadow: new Counter({
      name: 'ecluse_shadow_decisions_total',
      help: 'Requests that the shadow policy was asked about, by the rule that decided and how the other one compares',
      labelNames: ['rule', 'outcome'] as const,
      registers,
    }),
    strangers: new Counter({
      name: 'ecluse_strangers_total',
      help: 'Requests that could not be identified or parsed, by reason',
      labelNames: ['reason'] as const,
      registers,
    }),
    calls: new Counter({
      name: 'ecluse_holder_calls_total',
      help: 'Calls to the data holder by result',
      labelNames: ['provider', 'result'] as const,
      registers,
    }),
    holderSeconds: new Histogram({
      name: 'ecluse_holder_seconds',
      help: 'From the call to the last byte of its answer',
      labelNames: ['provider'] as const,
      buckets: [0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 120],
      registers,
    }),
    openRequests: new Counter({
      name: 'ecluse_open_requests_total',
      help: 'Requests on routes of open data by how they ended',
      labelNames: ['route', 'result'] as const,
      registers,
    }),
    openBytes: new Counter({
      name: 'ecluse_open_bytes_total',
      help: 'Bytes of open data that were passed on',
      labelNames: ['route'] as const,
      registers,
    }),
    openSockets: new Gauge({
      name: 'ecluse_open_sockets',
      help: 'WebSockets open on routes of open data',
      labelNames: ['route'] as const,
      registers,
    }),
    quotaLeft: new Gauge({ name: 'ecluse_quota_left', help: 'Calls left in the hour', labelNames: ['account', 'api'] as const, registers }),
    quotasApart: new Gauge({
      name: 'ecluse_quotas_apart',
      help: 'Whether this gate counts quotas by itself though others share them',
      registers,
    }),
    rights: new Gauge({
      name: 'ecluse_holder_rights',
      help: 'What data holders have opened for permissions: asked for, waiting for the person, open, or to be ended there',
      labelNames: ['state'] as const,
      registers,
    }),
    rightsWaiting: new Gauge({
      name: 'ecluse_right_ending_seconds',
      help: 'How long the oldest end has waited for the acknowledgement of its data holder',
      registers,
    }),
    kept: new Counter({
      name: 'ecluse_kept_requests_total',
      help: 'Requests of purposes that keep what was read, by whether all of it was there',
      labelNames: ['result'] as const,
      registers,
    }),
    journalQueue: new Gauge({ name: 'ecluse_journal_queue', help: 'Calls that wait for the journal', registers }),
    commitSeconds: new Histogram({
      name: 'ecluse_journal_commit_seconds',
      help: 'Duration of a transaction of the journal, its commit included',
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1],
      registers,
    }),
    sealingBacklog: new Gauge({ name: 'ecluse_sealing_backlog_rows', help: 'Journal rows that wait to be sealed', registers }),
    sealingAge: new Gauge({
      name: 'ecluse_sealing_backlog_seconds',
      help: 'Age of the oldest journal row that waits to be sealed',
      registers,
    }),
    logSize: new Gauge({ name: 'ecluse_log_entries', help: 'Entries of the evidence log', registers }),
    evidenceLost: new Counter({
      name: 'ecluse_evidence_lost_total',
      help: 'Whole answers of a data holder whose outcome is not on record; stays 0',
      registers,
    }),
    permissionsExpiring: new Gauge({ name: 'ecluse_permissions_expiring', help: 'Active permissions that end within 30 days', registers }),
    certificateExpiry: new Gauge({
      name: 'ecluse_certificate_not_after_seconds',
      help: 'End of validity of the certificate file of the listener, POSIX seconds; 0 if it cannot be read',
      registers,
    }),
    ready: new Gauge({ name: 'ecluse_ready', help: '1 while requests are taken, as /readyz says', registers }),
    diskFree: new Gauge({ name: 'ecluse_disk_free_bytes', help: 'Free space on the disk of the state folder', registers }),
    logDropped: new Counter({
      name: 'ecluse_log_lines_dropped_total',
      help: 'Lines of the operational log that could not be written',
      registers,
    }),
    refreshFailures: new Counter({
      name: 'ecluse_metrics_failures_total',
      help: 'Readings of /metrics in which a number could not be brought up to date',
      registers,
    }),
    configStale: new Gauge({ name: 'ecluse_config_stale', help: '1 while the settings file on disk is not the one in force', registers }),
    inFlight: new Gauge({
      name: 'ecluse_requests_in_flight',
      help: 'Requests under way, and calls of theirs to the data holder',
      registers,
    }),
    redis: new Counter({ name: 'ecluse_redis_total', help: 'Look-ups in Redis by result', labelNames: ['result'] as const, registers }),
    cache: new Counter({
      name: 'ecluse_cache_total',
      help: 'Look-ups in the local cache',
      labelNames: ['what', 'result'] as const,
      registers,
    }),
  }
}
