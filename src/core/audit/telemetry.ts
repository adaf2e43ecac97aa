/** Port: measurements. Names are stable, and whole, `portolan_` included, so that a search finds where each is measured; label values are bounded (never a principal, a URI or an id). */

export interface Telemetry {
  count(name: string, labels: Readonly<Record<string, string>>, by?: number): void
  observeMs(name: string, labels: Readonly<Record<string, string>>, valueMs: number): void
  gauge(name: string, labels: Readonly<Record<string, string>>, value: number): void
}
