/** Expected refusals as data: a value, or a fault that says why there is none. Failures throw `PortolanError` instead. */

/** Either a value or the fault that stands in its place. */
export type Result<T, F> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: F }

/** A value that is there. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value }
}

/** The reason why there is none. */
export function fail<F>(fault: F): { readonly ok: false; readonly fault: F } {
  return { ok: false, fault }
}
