/**
 * Content blocks and resource contents for people: text readable, media saved to files and shown where the terminal can. In
 * a pipe text is passed on as it is.
 */

import { z } from 'zod'
import { imageSize } from './image-size.ts'
import { inlineImage } from './inline-image.ts'
import { jsonText } from './json.ts'
import { markdownText } from './markdown.ts'
import { saveMedia } from './media.ts'
import { safeLine, safeName, safeText } from './safe-text.ts'
import type { Terminal } from './terminal.ts'

export interface ContentOptions {
  /** Where media are saved; made when the first one comes. */
  readonly folder: string
  /** The beginning of file names, for example the tool's name; made safe here. */
  readonly name: string
}

const optionalText = z.string().optional().catch(undefined)
const RESOURCE = z.object({ uri: z.string().catch(''), mimeType: optionalText, text: optionalText, blob: optionalText })
type Resource = z.infer<typeof RESOURCE>

const BLOCK = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.enum(['image', 'audio']), data: z.string(), mimeType: optionalText }),
  z.object({
    type: z.literal('resource_link'), uri: z.string(), name: z.string().catch(''), title: optionalText, description: optionalText, mimeType: optionalText,
    size: z.number().optional().catch(undefined),
  }),
  z.object({ type: z.literal('resource'), resource: RESOURCE }),
])
type Block = z.infer<typeof BLOCK>

/**
 * Shows `content` of tool and prompt results on standard output. Unknown types are shown as JSON. What cannot be saved is said
 * on standard error; the rest is shown all the same.
 */
export async function showContent(terminal: Terminal, blocks: readonly unknown[], options: ContentOptions): Promise<void> {
  for (const block of blocks) {
    const known = BLOCK.safeParse(block).data
    if (known === undefined) terminal.out.write(jsonText(terminal.out, JSON.stringify(block) ?? 'null'))
    else await showBlock(terminal, known, options)
  }
}

/**
 * Shows `contents` of `resources/read`. In a pipe a single one is written as its very bytes, so that `> file` copies it.
 */
export async function showResource(terminal: Terminal, contents: readonly unknown[], options: ContentOptions): Promise<void> {
  const resources = contents.map((content) => RESOURCE.safeParse(content).data)
  const [only] = resources
  if (!terminal.out.isTty && resources.length === 1 && only !== undefined && (only.text ?? only.blob) !== undefined) {
    terminal.out.stream.write(only.text ?? Buffer.from(only.blob ?? '', 'base64'))
    return
  }
  for (const [index, resource] of resources.entries()) {
    if (resource === undefined) terminal.out.write(jsonText(terminal.out, JSON.stringify(contents[index]) ?? 'null'))
    else await showOneResource(terminal, resource, options, resources.length > 1)
  }
}

async function showBlock(terminal: Terminal, block: Block, options: ContentOptions): Promise<void> {
  switch (block.type) {
    case 'text':
      return showText(terminal, block.text)
    case 'image':
    case 'audio':
      return showMedia(terminal, block.data, block.mimeType, options)
    case 'resource_link':
      return showLink(terminal, block)
    case 'resource':
      return showOneResource(terminal, block.resource, options, true)
  }
}

function showText({ out }: Terminal, text: string, mimeType?: string): void {
  const safe = out.isTty ? safeText(text) : text
  const shown = out.isTty && mimeType?.startsWith('text/markdown') === true ? markdownText(out, safe) : safe
  out.write(shown.endsWith('\n') ? shown : `${shown}\n`)
}

function showLink({ out }: Terminal, { uri, name, title, description, mimeType, size }: Block & { readonly type: 'resource_link' }): void {
  const about = [mimeType, size === undefined ? undefined : sizeText(size)].filter((part) => part !== undefined).join(', ')
  out.write(`${out.paint('bold', safeLine(title ?? name))}  ${safeName(uri)}${about === '' ? '' : out.paint('dim', `  ${safeLine(about)}`)}\n`)
  if (description !== undefined) out.write(`  ${safeLine(description)}\n`)
}

async function showOneResource(terminal: Terminal, { uri, mimeType, text, blob }: Resource, options: ContentOptions, isHeaded: boolean): Promise<void> {
  const { out } = terminal
  if (isHeaded) out.write(`${out.paint('dim', `${safeName(uri)}${mimeType === undefined ? '' : ` (${safeLine(mimeType)})`}`)}\n`)
  if (blob !== undefined) return showMedia(terminal, blob, mimeType, options)
  if (text === undefined) return void out.write(`${out.paint('dim', '(empty)')}\n`)
  const isJson = mimeType === 'application/json' || mimeType?.endsWith('+json') === true
  if (isJson && out.isTty) return void out.write(jsonText(out, text))
  showText(terminal, text, mimeType)
}

async function showMedia(terminal: Terminal, data: string, mimeType: string | undefined, { folder, name }: ContentOptions): Promise<void> {
  const { out, err } = terminal
  const bytes = Buffer.from(data, 'base64')
  const inline = inlineImage(terminal, bytes)
  if (inline !== undefined) out.write(inline)
  const size = imageSize(bytes)
  const about = [safeLine(mimeType ?? 'unknown type'), sizeText(bytes.length), ...(size === undefined ? [] : [`${size.width} × ${size.height} pixels`])].join(', ')
  try {
    const path = await saveMedia(folder, { name, mimeType, bytes })
    out.write(`Saved ${safeName(path)} ${out.paint('dim', `(${about})`)}\n`)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    err.write(`Not saved (${about}): ${safeLine(reason)}. Name another folder, or free some space.\n`)
  }
}

function sizeText(bytes: number): string {
  if (bytes < 1_024) return `${bytes} bytes`
  const [value, unit] = bytes < 1_048_576 ? [bytes / 1_024, 'KiB'] : [bytes / 1_048_576, 'MiB']
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`
}
