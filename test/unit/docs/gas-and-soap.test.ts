/** The tables of docs/gas-and-soap.md are made from the code. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Reason } from '../../../src/domain/errors.ts'
import { REASONS } from '../../../src/domain/errors.ts'
import { WAYS } from '../../../src/gateway/identify.ts'
import { CODES } from '../../../src/providers/enedis-sge/refusals.ts'
import { SERVICES } from '../../../src/providers/enedis-sge/sge.ts'
import { FLAWS } from '../../../src/providers/enedis-sge/service.ts'
import { ANSWERS } from '../../../src/providers/grdf-adict/refusals.ts'
import { SERIES } from '../../../src/providers/grdf-adict/series.ts'

const page = readFileSync(new URL('../../../docs/gas-and-soap.md', import.meta.url), 'utf8')

/** One row a reason, as it is told on the paths of GRDF and of SGE. */
function table(): string {
  const rows = (Object.keys(REASONS) as Reason[]).map((reason) => {
    const [status, code] = ANSWERS[reason]
    return `| \`${reason}\` | ${status} \`${code}\` | \`${CODES[reason]}\` |`
  })
  return ['| reason | GRDF ADICT | Enedis SGE |', '| --- | --- | --- |', ...rows].join('\n')
}

test('docs/gas-and-soap.md holds the codes', () => {
  expect(page).toContain(table())
})

test('docs/gas-and-soap.md names each flaw of a SOAP request', () => {
  for (const flaw of FLAWS) expect(page).toContain(`\`${flaw}\``)
})

test('docs/gas-and-soap.md names each way of proving who one is, and each path that is served', () => {
  for (const way of WAYS) expect(page).toContain(`| \`${way}\` |`)
  for (const { path } of SERVICES) expect(page).toContain(`\`${path.split('/')[1] ?? ''}\``)
  for (const series of Object.keys(SERIES)) expect(page).toContain(`\`${series}\``)
})
