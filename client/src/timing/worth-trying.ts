/** Calls back when the network or the user has come back: a try may succeed then. */
export function whenWorthTrying(callback: () => void): () => void {
  // Absent outside of browsers.
  const { window, document } = globalThis as { window?: Window; document?: Document };
  const onVisible = (): void => {
    if (document?.visibilityState === 'visible') callback();
  };
  window?.addEventListener?.('online', callback);
  document?.addEventListener?.('visibilitychange', onVisible);
  return () => {
    window?.removeEventListener?.('online', callback);
    document?.removeEventListener?.('visibilitychange', onVisible);
  };
}
