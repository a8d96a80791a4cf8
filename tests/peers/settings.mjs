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

  async inspect(email, password) {
    const page = await person()
    await login(page, email, password)
    await page.getByRole('link', { name: 'Inspector' }).click()
    await look(page, 'inspectors')
    await page.getByLabel('Name').fill('Try')
    await page.getByLabel('Answer with status').fill('503')
    await page.getByLabel('Answer with text').fill('not now')
    await page.getByRole('button', { name: 'Create inspector' }).click()
    await page.getByText('Nothing came yet.').waitFor()
    await look(page, 'inspector-empty')
    const target = await page.locator('code.whole').textContent()
    const answer = await fetch(target, { method: 'POST', headers: { authorization: 'Bearer abc' }, body: '{"amount":4990,"token":"abc"}' })
    assert.deepEqual([answer.status, await answer.text()], [503, 'not now'])
    await page.getByRole('link', { name: 'Look again', exact: true }).click()
    await page.getByRole('link', { name: 'POST 1' }).waitFor()
    await look(page, 'inspector')
    await page.getByRole('link', { name: 'Look again every 3 seconds' }).click()
    await fetch(target)
    // the page reads itself anew: nobody presses anything
    await page.getByRole('link', { name: 'GET 2' }).waitFor()
    await page.getByRole('link', { name: 'Stop' }).click()
    await page.getByRole('link', { name: 'POST 1' }).click()
    await page.getByText('"amount": 4990').waitFor()
    assert.equal(await page.getByText('abc').count(), 0)
    await look(page, 'inspector-request')
    await page.getByRole('link', { name: 'Show all values' }).click()
    await page.getByText('Bearer abc').waitFor()
    await page.getByRole('link', { name: 'All requests' }).click()
    await page.getByRole('button', { name: 'Delete' }).click()
    assert.match(await page.getByRole('status').textContent(), /deleted/)
  },

  async hostile(email, password, paths) {
    const page = await person()
    const strange = []
    page.on('dialog', dialog => strange.push(dialog.message()) && dialog.dismiss())
    page.on('request', request => !request.url().startsWith(`${url}/`) && request.url() !== 'data:,' && strange.push(request.url()))
    await login(page, email, password)
    for (const path of paths.split('\n')) {
      await page.goto(url + path)
      await page.mouse.move(300, 300)
      await page.keyboard.press('Tab')
      assert.equal(await page.locator('script:not([src^="/assets/"]), iframe, object, embed, base, img').count(), 0, path)
    }
    assert.deepEqual(strange, [], 'nothing ran and nobody else was called')
  },
}

await tell(stories)
