/** Asks an endpoint of the app's own. @throws Error with the status of another answer than 2xx */
export async function api<Answer>(method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(`/demo/${path}`, {
    method,
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} /demo/${path} answered ${response.status}: ${text}`);
  return (text === '' ? null : JSON.parse(text)) as Answer;
}
