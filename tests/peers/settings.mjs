// The stories of the settings in a real Chromium.
import { strict as assert } from 'node:assert'
import { alert, login, look, person, tell, url } from './browser.mjs'

const stories = {
  async keys(email, password) {
    const page = await person()
    await login(page, email, password)
    await page.getByRole('link', { name: 'API keys' }).click()
    await page.getByLabel('Name').fill('Ledger')
    await page.getByLabel('Role').selectOption('viewer')
    await page.getByLabel('Application').fill('nobody')
    await page.getByRole('button', { name: 'Create key' }).click()
    assert.match(await alert(page), /is no application of that environment/)
    await page.getByLabel('Name').fill('Ledger')
    await page.getByLabel('Role').selectOption('viewer')
    await page.getByLabel('Days until it ends').fill('30')
    await page.getByRole('button', { name: 'Create key' }).click()
    await page.getByRole('heading', { name: 'The key' }).waitFor()
    const key = await page.locator('code.whole').textContent()
    await look(page, 'keys')
    await page.reload()
    assert.equal(await page.getByText(key).count(), 0)
    const holder = await person()
    await holder.goto(`${url}/login`)
    await holder.getByLabel('API key').fill(key)
    await holder.getByRole('button', { name: 'Log in with key' }).click()
    await holder.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
    assert.equal(await holder.getByRole('link', { name: 'API keys' }).count(), 0)
    await page.getByRole('button', { name: 'Revoke Ledger' }).click()
    assert.match(await page.getByRole('status').textContent(), /opens nothing any more/)
    await holder.waitForTimeout(1_000) // a server obeys within half a second
    await holder.reload()
    await holder.getByRole('heading', { name: 'Log in' }).waitFor()
  },

  async audit(email, password) {
    const page = await person()
    await login(page, email, password)
    await page.getByRole('link', { name: 'Audit log' }).click()
    await page.getByRole('cell', { name: 'endpoint created' }).waitFor()
    await look(page, 'audit')
    await page.getByLabel('About').selectOption('login')
    await page.getByLabel('Who').fill(email)
    await page.getByRole('button', { name: 'Show' }).click()
    await page.getByRole('cell', { name: 'login opened' }).waitFor()
    assert.equal(await page.getByRole('cell', { name: 'endpoint created' }).count(), 0)
    await page.getByLabel('Who').fill('nobody')
    await page.getByRole('button', { name: 'Show' }).click()
    await page.getByText('Nothing of that is written down.').waitFor()
    await page.getByLabel('Who').fill('')
    await page.getByLabel('About').selectOption('endpoint')
    await page.getByRole('button', { name: 'Show' }).click()
    await page.getByRole('link', { name: 'http://127.0.0.1:1' }).click()
    await page.getByRole('button', { name: 'Rotate secret' }).waitFor()
  },
}

await tell(stories)
