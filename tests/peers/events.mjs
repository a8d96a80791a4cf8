// Events and replays in a real Chromium: searched and followed live, one's whole life, thousands made again and called off.
import { strict as assert } from 'node:assert'
import { login, look, person, tell } from './browser.mjs'

const stories = {
  async search(email, password, found) {
    const page = await person()
    await login(page, email, password)
    await page.getByRole('link', { name: 'Events', exact: true }).click()
    await look(page, 'events')
    await page.getByLabel('Payload holds').fill('needle')
    await page.getByLabel('Payload holds').press('Enter')
    // slice after slice, nobody presses anything
    await page.getByRole('link', { name: found }).waitFor()
    await page.getByText(/^Searched (back|to)/).waitFor()
    await look(page, 'events-found')
    await page.getByLabel('Status').selectOption('failed')
    await page.getByRole('button', { name: 'Search' }).click()
    await page.getByText('Searched to the end').waitFor()
    await page.getByText('No event here.').waitFor()
    await look(page, 'events-none')
    await page.getByLabel('Status').selectOption('')
    await page.getByLabel('Payload holds').fill('in no payload')
    await page.getByRole('button', { name: 'Search' }).click()
    await page.getByText('Searched to the end').waitFor()
  },

  async live(email, password, event) {
    const page = await person()
    await login(page, email, password)
    await page.getByRole('link', { name: 'Events', exact: true }).click()
    await page.getByRole('link', { name: 'Follow live' }).click()
    await page.getByText('read every 2 seconds').waitFor()
    // the story publishes while we look
    console.log('looks')
    await page.getByRole('row').nth(5).waitFor()
    await look(page, 'events-live')
    await page.getByRole('link', { name: 'Stop' }).click()
    await page.getByRole('link', { name: 'Follow live' }).waitFor()
    assert.equal(await page.getByRole('link', { name: event }).count(), 1)
  },

  async life(email, password, event, first) {
    const page = await person()
    await login(page, email, password)
    await page.getByRole('link', { name: 'Events', exact: true }).click()
    await page.getByLabel('Event id or type').fill(event)
    await page.getByLabel('Event id or type').press('Enter')
    const attempts = page.getByRole('listitem').getByRole('link', { name: /^20/ })
    await attempts.first().click()
    await page.getByText('back at 9, sir.').waitFor()
    const request = await page.getByLabel('Request', { exact: true }).and(page.locator('pre')).textContent()
    assert.match(request, new RegExp(`^POST /hook HTTP/1.1\\nhost: .*\\nwebhook-id: ${event}\\nwebhook-timestamp: \\d+\\nwebhook-signature: v1,`, 's'))
    await page.getByText('Checked again: the signature holds for these bytes and headers, under the secret of now.').waitFor()
    await look(page, 'event-life')
    await page.getByRole('button', { name: 'Resend' }).click()
    for (let tries = 0; !await page.getByText('by hand').count(); tries++) {
      assert.ok(tries < 200, 'the repeated attempt is shown')
      await page.reload()
    }
    await attempts.last().click()
    await page.getByText('It has no body.').waitFor()
    assert.ok(page.url().endsWith('#attempt') && !page.url().includes(first))
    await look(page, 'event-last-attempt')
  },

  async replays(email, password, count) {
    const page = await person()
    await login(page, email, password)
    await page.getByRole('link', { name: 'Applications' }).click()
    await page.getByRole('link', { name: 'acme' }).click()
    await page.getByRole('cell').getByRole('link').first().click()
    await page.getByRole('heading', { name: 'Failures by cause' }).waitFor()
    await page.getByRole('row', { name: /Breakdowns, 5xx/ }).waitFor()
    await look(page, 'failures')
    await page.getByRole('button', { name: 'Count' }).click()
    await page.getByText(`would make ${count} deliveries again`).waitFor()
    await page.getByRole('button', { name: 'Replay', exact: true }).click()
    await page.getByRole('progressbar', { name: 'Replay' }).waitFor()
    await page.getByRole('link', { name: 'Replays' }).click()
    await page.getByText(new RegExp(`runs: \\d+ of ${count} deliveries`)).waitFor()
    await look(page, 'replays-running')
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByText('what is on its way goes on').waitFor()
    await page.getByText(new RegExp(`was called off: \\d+ of ${count} deliveries`)).waitFor()
    await look(page, 'replays-canceled')
    await page.getByRole('heading', { level: 2 }).getByRole('link').first().click()
    await page.getByRole('button', { name: 'Replay these' }).click()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByText('what is on its way goes on').waitFor()
    await page.getByRole('button', { name: 'Replay', exact: true }).waitFor()
  },

  async outage(email, password, count) {
    const page = await person()
    await login(page, email, password)
    await page.getByRole('link', { name: 'Applications' }).click()
    await page.getByRole('link', { name: 'acme' }).click()
    await page.getByRole('cell').getByRole('link').first().click()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByText('Paused: deliveries are made and wait.').waitFor()
    assert.equal(await page.getByRole('button', { name: /Send .* now/ }).count(), 0, 'nothing is sent where it is paused')
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByText(`Resumed: what came while it was paused goes out now. ${count} deliveries wait for a retry.`).waitFor()
    await page.getByRole('button', { name: 'Send a test' }).click()
    await page.getByText(`It works again. ${count} deliveries wait for a retry.`).waitFor()
    await look(page, 'outage-over')
    await page.getByRole('button', { name: 'Send them now' }).click()
    await page.getByText('The replay has begun.').waitFor()
    await page.getByText(new RegExp(`${count} of ${count} deliveries`)).waitFor()
    await page.getByRole('button', { name: 'Send a test' }).click()
    await page.getByText('The test was sent.').waitFor()
    assert.equal(await page.getByText('wait for a retry.').count(), 0)
    await page.getByLabel('What').selectOption('all')
    await page.getByRole('button', { name: 'Count' }).click()
    await page.getByText(new RegExp(`would make \\d+ deliveries again. \\d+ of them had been delivered before.`)).waitFor()
  },
}

await tell(stories)
