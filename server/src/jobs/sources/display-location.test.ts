import { expect, test } from "vitest";
import { displayLocation } from "./display-location.ts";

test.each([
  ["https://files.example.org/a%20b.pdf?page=2&version=7", "https://files.example.org/a%20b.pdf?page=2&version=7"],
  ["https://user:pass@example.org/a#part", "https://example.org/a"],
  ["https://b.s3.amazonaws.com/k?X-Amz-Signature=abc&X-Amz-Credential=x&versionId=3", "https://b.s3.amazonaws.com/k?versionId=3"],
  ["https://acc.blob.core.windows.net/c/b?sv=2024-01-01&sig=abc%3D&se=2027&sp=r", "https://acc.blob.core.windows.net/c/b"],
  ["https://storage.googleapis.com/b/o?GoogleAccessId=x&Expires=1&Signature=y", "https://storage.googleapis.com/b/o"],
  ["https://d.cloudfront.net/x?Policy=p&Key-Pair-Id=k&Signature=s", "https://d.cloudfront.net/x"],
  ["https://example.org/?access_token=t&api_key=k&apikey=k&clientSecret=s&password=p&q=cats", "https://example.org/?q=cats"],
  ["ftp://user:pass@example.org/a", "ftp://example.org/a"],
  ["s3://bucket/in/../up.txt?endpoint=http%3A%2F%2Fs3", "s3://bucket/in/../up.txt?endpoint=http%3A%2F%2Fs3"],
  ["file:///srv/inbox/a%20b", "file:///srv/inbox/a%20b"],
  ["not a url", "not a url"],
])("%s is shown as %s", (location, shown) => {
  expect(displayLocation(location)).toBe(shown);
});
