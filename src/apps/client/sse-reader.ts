/** Server-sent events, as far as a listener needs them: the data of each complete event (WHATWG HTML §9.2.6). */

/** Takes decoded text in any pieces; `onData` gets the data of each `message` event, none of them empty. */
export function createSseReader(onData: (data: string) => void): { push(text: string): void; end(): void } {
  let rest = ''
  let data: string[] = []
  let event = ''

  function line(text: string): void {
    if (text === '') {
      if (data.length > 0 && (event === '' || event === 'message')) {
        const whole = data.join('\n')
        if (whole !== '') onData(whole)
      }
      data = []
      event = ''
      return
    }
    const colon = text.indexOf(':')
    const field = colon === -1 ? text : text.slice(0, colon)
    const value = colon === -1 ? '' : text.slice(colon + 1).replace(/^ /, '')
    if (field === 'data') data.push(value)
    else if (field === 'event') event = value
  }

  return {
    push(text) {
      rest += text
      // A CR at the very end may be half of a CRLF.
      const ends = /\r\n|\n|\r(?=[^])/g
      let from = 0
      for (let match = ends.exec(rest); match !== null; match = ends.exec(rest)) {
        line(rest.slice(from, match.index))
        from = match.index + match[0].length
      }
      rest = rest.slice(from)
    },
    end: () => undefined,
  }
}
