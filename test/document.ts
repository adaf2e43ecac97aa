/** The Markdown documents of the project as data: where they are, their fences with their marks, their anchors and links. */

import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = new URL('..', import.meta.url)

/** A fenced block. */
export interface Fence {
  /** The first word after the back-ticks: `sh`, `json`, …; empty where nothing is said. */
  readonly language: string
  /** What follows it: `run`, `file=portolan.json`, `not run: needs a browser`, … */
  readonly mark: string
  readonly text: string
  /** Of the opening back-ticks, from 1. */
  readonly line: number
}

/** The text of a file of the project. */
export function readDocument(path: string): string {
  return readFileSync(new URL(path, root), 'utf8')
}

/** README.md and everything below docs/, by path from the root. */
export function userDocuments(): string[] {
  const below = readdirSync(fileURLToPath(new URL('docs', root)), { recursive: true, encoding: 'utf8' })
  return ['README.md', ...below.filter((path) => path.endsWith('.md')).map((path) => `docs/${path}`)].sort()
}

/** Fences in their order, those inside lists without their indentation. */
export function fencesOf(document: string): Fence[] {
  const fences: Fence[] = []
  let open: { indent: number; language: string; mark: string; lines: string[]; line: number } | undefined
  for (const [index, line] of document.split('\n').entries()) {
    const [, indent = '', info] = /^( *)```(.*)$/.exec(line) ?? []
    if (open !== undefined && info !== '') open.lines.push(line.slice(Math.min(open.indent, line.search(/\S|$/))))
    else if (open !== undefined) {
      const { language, mark, lines } = open
      fences.push({ language, mark, line: open.line, text: lines.map((one) => `${one}\n`).join('') })
      open = undefined
    } else if (info !== undefined) {
      const [language = '', ...rest] = info.trim().split(' ')
      open = { indent: indent.length, language, mark: rest.join(' '), lines: [], line: index + 1 }
    }
  }
  return fences
}

/** What can be linked to as `#…`: the headings, as GitHub spells them. */
export function anchorsOf(document: string): Set<string> {
  const seen = new Map<string, number>()
  return new Set(
    headingsOf(document).map((heading) => {
      const anchor = heading.toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-')
      const count = seen.get(anchor) ?? 0
      seen.set(anchor, count + 1)
      return count === 0 ? anchor : `${anchor}-${count}`
    }),
  )
}

/** Headings of every level, without their marks, fences left out. */
export function headingsOf(document: string, level?: number): string[] {
  return [...withoutFences(document).matchAll(/^(#{1,6}) (.+)$/gm)]
    .filter(([, marks = '']) => level === undefined || marks.length === level)
    .map(([, , heading = '']) => heading.replaceAll('`', '').replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1'))
}

/** Targets of the links, as written; those in fences and code are none. */
export function linksOf(document: string): string[] {
  return [...withoutFences(document).replaceAll(/`[^`\n]*`/g, '').matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
}

function withoutFences(document: string): string {
  return document.replaceAll(/^( *)```[\s\S]*?^ *```$/gm, '')
}

/** The first cells of the rows of all tables below a heading, back-ticks and all. */
export function rowsBelow(document: string, heading: string): string[][] {
  const section = document.split(new RegExp(`^#{1,6} ${heading}\n`, 'm'))[1]?.split(/^#{1,6} /m)[0] ?? ''
  const rows = [...section.matchAll(/^\| (.*) \|$/gm)].map(([, row = '']) => row.split(/(?<!\\) \| ?/).map((cell) => cell.trim()))
  return rows.filter(([first = '']) => !/^-+$/.test(first))
}
