/**
 * Images, sounds and other bytes of servers, saved to files: names are ours (never a path of theirs), the ending follows the
 * MIME type, and nothing is ever overwritten.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface MediaFile {
  /** The beginning of the name; made safe here. */
  readonly name: string
  readonly mimeType: string | undefined
  readonly bytes: Buffer
}

const ENDINGS: Readonly<Record<string, string>> = {
  'image/png': 'png', 'image/jpeg': 'jpg', 'image/gif': 'gif', 'image/webp': 'webp', 'image/svg+xml': 'svg', 'image/bmp': 'bmp', 'image/tiff': 'tiff',
  'image/avif': 'avif', 'image/heic': 'heic', 'image/x-icon': 'ico', 'image/vnd.microsoft.icon': 'ico', 'audio/wav': 'wav', 'audio/x-wav': 'wav', 'audio/wave': 'wav', 'audio/mpeg': 'mp3',
  'audio/mp3': 'mp3', 'audio/ogg': 'ogg', 'audio/opus': 'opus', 'audio/flac': 'flac', 'audio/aac': 'aac', 'audio/mp4': 'm4a', 'audio/webm': 'weba',
  'video/mp4': 'mp4', 'video/webm': 'webm', 'video/quicktime': 'mov', 'application/pdf': 'pdf', 'application/zip': 'zip', 'application/gzip': 'gz',
  'application/x-tar': 'tar', 'application/json': 'json', 'application/xml': 'xml', 'text/plain': 'txt', 'text/markdown': 'md', 'text/csv': 'csv', 'text/html': 'html',
  'text/xml': 'xml', 'text/css': 'css',
}

const MAX_NAME = 60
const MAX_TRIES = 10_000
/** Windows opens devices under these names, in every folder. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i

/** Saves into `folder`, which is made where it is missing; resolves with the path. Rejects where the system refuses. */
export async function saveMedia(folder: string, { name, mimeType, bytes }: MediaFile): Promise<string> {
  await mkdir(folder, { recursive: true })
  const base = safeFileName(name)
  const ending = mediaEnding(mimeType)
  for (let count = 1; count <= MAX_TRIES; count += 1) {
    const path = join(folder, `${base}${count === 1 ? '' : `-${count}`}.${ending}`)
    try {
      // `wx` creates or fails, and follows no link that lies in wait.
      await writeFile(path, bytes, { flag: 'wx' })
      return path
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
  }
  throw new Error(`${folder} holds ${MAX_TRIES} files named ${base} already.`)
}

/** Without the dot; `bin` for what is not known: a server must not choose what a double click does. */
export function mediaEnding(mimeType: string | undefined): string {
  const type = (mimeType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  return Object.hasOwn(ENDINGS, type) ? (ENDINGS[type] ?? 'bin') : 'bin'
}

/** Letters, figures, `_`, `-` and inner dots of `name`; never empty, hidden, a device or a path. */
export function safeFileName(name: string): string {
  const safe = name.normalize('NFC').replaceAll(/[^\p{L}\p{N}._-]+/gu, '-').replaceAll(/\.{2,}/g, '.').slice(0, MAX_NAME).replaceAll(/^[.-]+|[.-]+$/g, '')
  if (safe === '') return 'content'
  return DEVICE.test(safe) ? `_${safe}` : safe
}
