/**
 * Content blocks and resource contents for people: text readable, media saved to files and shown where the terminal can.
 */

import type { Terminal } from './terminal.ts'

export interface ContentOptions {
  /** Where media are saved; made when the first one comes. */
  readonly folder: string
  /** The beginning of file names, for example the tool's name; made safe here. */
  readonly name: string
}

/** Shows `content` of tool and prompt results, on standard output. Unknown types are shown as JSON. */
export async function showContent(_terminal: Terminal, _blocks: readonly unknown[], _options: ContentOptions): Promise<void> {}

/** Shows `contents` of `resources/read`. */
export async function showResource(_terminal: Terminal, _contents: readonly unknown[], _options: ContentOptions): Promise<void> {}
