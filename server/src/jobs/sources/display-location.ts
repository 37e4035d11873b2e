/** Parameters that carry a signature or a secret, as the well-known stores and gateways name them; compared in lower case. */
const SECRET =
  /^(?:x-amz-.*|x-goog-.*|x-oss-.*|sig|se|sp|sv|sr|st|spr|sip|skoid|sktid|skt|ske|sks|skv|signature|expires|policy|key-pair-id|awsaccesskeyid|googleaccessid|.*token.*|.*secret.*|.*password.*|.*passwd.*|.*credential.*|.*session.*|auth.*|code|key|.*api-?_?key.*|jwt)$/;

/**
 * An address fit to be kept and shown: without user, password, fragment, and without parameters that may be secret. One
 * that is no URL is shown as it is, cut; nothing was ever sent there.
 */
export function displayLocation(location: string): string {
  // Ours, and without anything secret; as a URL, keys with ".." in them would become others.
  if (location.startsWith("s3://")) return location;
  if (!URL.canParse(location)) return location.slice(0, 200);
  const url = new URL(location);
  url.username = "";
  url.password = "";
  url.hash = "";
  for (const name of new Set(url.searchParams.keys())) if (SECRET.test(name.toLowerCase())) url.searchParams.delete(name);
  return url.href;
}
