/** How much is logged. Apart from the logger, which a command that only names the levels need not load. */
import type { LogLevel } from './log.ts'

export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent']
