import type { RegisterRequest } from './sync-requests.js';

/** A registration whose names every database can hold. */
export function inAscii(request: RegisterRequest): RegisterRequest {
  const ascii = (text: string): string => text.replaceAll(/[^ -~]/gu, '?');
  const { clientName, platform, appVersion } = request;
  return {
    ...request,
    clientName: clientName === null ? null : ascii(clientName),
    platform: ascii(platform),
    appVersion: ascii(appVersion),
  };
}
