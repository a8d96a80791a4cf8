// A page of a platform that shows its customer's webhooks with Svix's hooks for React, and the portal in Svix's frame.
import { createRoot } from 'react-dom/client'
import {
  AppPortal, SvixProvider, useEndpointMessageAttempts, useEndpoints, useEndpointSecret, useEventTypes, useSvix,
} from 'svix-react'

/** What a hook gives: its rows, why not, or that it is on its way. */
function Rows({ title, of, row }) {
  return (
    <section aria-label={title}>
      {of.error && <p role="alert">{String(of.error)}</p>}
      {of.loading ? <p>loading</p> : <ul>{of.data?.map(each => <li key={each.id ?? each.name}>{row(each)}</li>)}</ul>}
      <button disabled={!of.hasNextPage} onClick={of.nextPage}>Next {title}</button>
    </section>
  )
}

function Endpoint({ id }) {
  const attempts = useEndpointMessageAttempts(id, { limit: 2 })
  const { svix, appId } = useSvix()
  const secret = useEndpointSecret(id)
  // the hook for changes calls what version 2 of the SDK calls by another name
  const save = () => svix.endpoint.upsert(appId, id, { url: RECEIVER, description: 'Saved by a page' })
  return (
    <>
      <Rows title="Attempts" of={attempts} row={each => `${each.msgId} ${each.responseStatusCode}`} />
      <p>Secret: {secret.data?.key}</p>
      <button onClick={save}>Save</button>
    </>
  )
}

function Page() {
  const endpoints = useEndpoints({ limit: 2 })
  const eventTypes = useEventTypes()
  return (
    <>
      <Rows title="Endpoints" of={endpoints} row={each => `${each.url} ${each.description}`} />
      <button onClick={endpoints.reload}>Reload</button>
      <Rows title="Event types" of={eventTypes} row={each => each.name} />
      <Endpoint id={ENDPOINT} />
      <AppPortal url={LINK} darkMode="auto" />
    </>
  )
}

createRoot(document.getElementById('root')).render(
  <SvixProvider token={TOKEN} appId={APP} options={{ serverUrl: SERVER }}><Page /></SvixProvider>,
)
