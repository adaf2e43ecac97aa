/**
 * Ends the children of a Portolan that died without a chance to do it (`kill -9`, out of memory). One small shell per
 * Portolan reads from a pipe which processes lead a group; when the pipe breaks, the owner is gone, and everything that
 * stems from it is ended: SIGTERM, two seconds, SIGKILL. What has an end of its own that nobody has moved is ended with SIGKILL then, because
 * its owner may be stopped and alive; that end comes no later where the owner dies before it. Linux and macOS; on Windows there is none.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'

export interface Watcher {
  add(groupId: number): void
  remove(groupId: number): void
  /**
   * Ends it in `ms` from now, and what has this marker; again: later, or sooner. False: it cannot be relied on, because the shell
   * does not start, or died as it did. One that died is started anew for it.
   */
  expire(groupId: number, ms: number, marker: string): boolean
  /** Lets it end what is still registered, and itself. */
  close(): void
}

/**
 * Finds what to end in three ways, because each alone can be escaped: the group, the session (children are spawned with
 * setsid, so it is the group's id, and outlives a change of group) and the marker in the environment, which is inherited
 * by double forks too. The last two need /proc. `$1` is the marker.
 */
const SCRIPT = `
marker=$1
groups=' '
find_all() {
  [ -d /proc/self ] || return 0
  for file in /proc/[0-9]*/stat; do
    { IFS= read -r line < "$file"; } 2>/dev/null || continue
    pid=\${line%% *}
    set -- \${line##*) }
    case $groups in *" $4 "*) [ "$1" = Z ] || echo "$pid" ;; esac
  done
  grep -alF "$marker" /proc/[0-9]*/environ 2>/dev/null | while IFS=/ read -r _ _ pid _; do echo "$pid"; done
}
signal_all() {
  for group in $groups; do kill "-$1" -- "-$group" 2>/dev/null; done
  found=$(find_all)
  for pid in $found; do [ "$pid" = $$ ] || kill "-$1" "$pid" 2>/dev/null; done
}
is_any_left() {
  for group in $groups; do kill -0 -- "-$group" 2>/dev/null && return 0; done
  [ -n "$(find_all)" ]
}
expire() {
  groups=" $1 "
  marker=$3
  sleep "$2" 2>/dev/null || sleep "\${2%.*}"
  signal_all KILL
}
spare() {
  eval "timer=\\$timer_$1"
  [ -z "$timer" ] || { kill "$timer" && wait "$timer"; }
  eval "timer_$1="
}
while read -r op id left its; do
  case $op in
    +) groups="$groups$id " ;;
    -) spare "$id"; case $groups in *" $id "*) groups="\${groups%% $id *} \${groups#* $id }" ;; esac ;;
    =) spare "$id"; expire "$id" "$left" "$its" & eval "timer_$id=$!" ;;
  esac
done
signal_all TERM
tries=0
while [ $tries -lt 10 ]; do
  is_any_left || break
  sleep 0.2 2>/dev/null || sleep 1
  tries=$((tries + 1))
done
tries=0
while is_any_left && [ $tries -lt 5 ]; do
  signal_all KILL
  sleep 0.1 2>/dev/null || sleep 1
  tries=$((tries + 1))
done
for group in $groups; do spare "$group"; done
`

/** A shell that lives no longer died of its start. */
const YOUNG_MS = 1_000

/** Starts it. `marker` stands in the environment of every child and in no other. */
export function createWatcher(marker: string, file = '/bin/sh'): Watcher {
  /** With what is to be told of the end of each. */
  const groups = new Map<number, { readonly atMs: number; readonly marker: string } | undefined>()
  let isClosed = false
  let bornMs = 0
  /** The one before. */
  let diedYoung = false
  let shell: ChildProcess = start()

  function start(): ChildProcess {
    // Its own session: Ctrl-C in Portolan's terminal must not end it first.
    const child = spawn(file, ['-c', SCRIPT, 'portolan-watcher', marker], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
      cwd: '/',
    })
    child.on('error', () => undefined)
    bornMs = performance.now()
    child.on('exit', () => {
      if (isClosed || child !== shell) return
      diedYoung = isYoung()
      // Where a shell cannot even start, another one will not either: it is tried when the next end is told.
      if (!diedYoung) startAnew()
    })
    child.stdin?.on('error', () => undefined)
    child.unref()
    const pipe: unknown = child.stdin
    if (typeof pipe === 'object' && pipe !== null && 'unref' in pipe && typeof pipe.unref === 'function') pipe.unref()
    return child
  }

  function startAnew(): void {
    shell = start()
    for (const [id, end] of groups) {
      tell('+', id)
      if (end !== undefined) tellEnd(id, end)
    }
  }

  function isYoung(): boolean {
    return performance.now() - bornMs < YOUNG_MS
  }

  function isAlive({ pid, exitCode, signalCode }: ChildProcess): boolean {
    return pid !== undefined && exitCode === null && signalCode === null
  }

  function tell(op: '+' | '-', id: number): void {
    shell.stdin?.write(`${op} ${id}\n`)
  }

  function tellEnd(id: number, { atMs, marker }: { readonly atMs: number; readonly marker: string }): void {
    const leftSec = Math.max(0, atMs - performance.now()) / 1_000
    shell.stdin?.write(`= ${id} ${leftSec.toFixed(3)} ${marker}\n`)
  }

  return {
    add(groupId) {
      groups.set(groupId, undefined)
      tell('+', groupId)
    },
    remove(groupId) {
      if (groups.delete(groupId)) tell('-', groupId)
    },
    expire(groupId, ms, marker) {
      // It is gone already.
      if (!groups.has(groupId)) return true
      const end = { atMs: performance.now() + ms, marker }
      groups.set(groupId, end)
      if (isAlive(shell)) tellEnd(groupId, end)
      else startAnew()
      return isAlive(shell) && !(diedYoung && isYoung())
    },
    close() {
      isClosed = true
      shell.stdin?.end()
    },
  }
}
