/**
 * A map of what comes and goes all the time. A `Map` grows by making a new table, and an old table that the garbage
 * collector has moved aside keeps all it ever held alive until the next full collection. Here a table holds only references
 * that are emptied when their value leaves.
 */

interface Slot<V> {
  value: V | undefined
}

export class LiveMap<K extends string | number, V extends object> {
  /** Undefined while empty: 10,000 idle sessions hold several each. */
  #slots: Map<K, Slot<V>> | undefined = undefined

  get size(): number {
    return this.#slots?.size ?? 0
  }

  has(key: K): boolean {
    return this.#slots?.has(key) === true
  }

  get(key: K): V | undefined {
    return this.#slots?.get(key)?.value
  }

  set(key: K, value: V): void {
    this.#slots ??= new Map()
    const slot = this.#slots.get(key)
    if (slot === undefined) this.#slots.set(key, { value })
    else slot.value = value
  }

  delete(key: K): boolean {
    const slot = this.#slots?.get(key)
    if (slot === undefined || this.#slots === undefined) return false
    slot.value = undefined
    this.#slots.delete(key)
    if (this.#slots.size === 0) this.#slots = undefined
    return true
  }


  /** What is there now; whoever is removed meanwhile is still told of. */
  values(): V[] {
    const all: V[] = []
    for (const { value } of this.#slots?.values() ?? []) if (value !== undefined) all.push(value)
    return all
  }

  /** As `values`, with their keys. */
  *[Symbol.iterator](): IterableIterator<readonly [key: K, value: V]> {
    for (const [key, { value }] of this.#slots ?? []) if (value !== undefined) yield [key, value]
  }

  clear(): void {
    for (const slot of this.#slots?.values() ?? []) slot.value = undefined
    this.#slots = undefined
  }
}
