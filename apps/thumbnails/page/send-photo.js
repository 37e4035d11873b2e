/**
 * Uploads a photo and gives its file_id. Rejects with Error, whose message is for people. By XMLHttpRequest: fetch does not
 * tell how far an upload is.
 *
 * @param {File} photo
 * @param {(fraction: number) => void} onProgress
 * @returns {Promise<string>}
 */
export function sendPhoto(photo, onProgress) {
  const form = new FormData();
  form.append("file", photo, photo.name);
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(total === 0 ? 0 : loaded / total));
    request.addEventListener("error", () => reject(new Error("The upload was cut off. Check the connection and try again.")));
    request.addEventListener("load", () => {
      const { result, file_id: fileId } = request.response ?? {};
      if (request.status === 200) resolve(fileId);
      else reject(new Error(`Not taken: ${result ?? `answer ${request.status}`}.`));
    });
    request.responseType = "json";
    request.open("POST", "/uploadFile");
    request.send(form);
  });
}
