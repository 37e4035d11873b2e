import type { App } from "../start/app.ts";
import { createHttpServer } from "../start/http-server.ts";
import { servePage } from "../start/page.ts";
import { receiveRoute } from "./receive.ts";
import { statusRoute } from "./status.ts";
import { thumbnailRoute } from "./thumbnail.ts";

/** Upload an image, ask how far it is, fetch its thumbnail. What it answers is fixed: see README.md. */
export const thumbnails: App = {
  name: "thumbnails",
  defaultPort: 8080,
  async build({ client }) {
    const app = createHttpServer({ errorBody: (result) => ({ result }) });
    await servePage(app, new URL("page/", import.meta.url));
    app.get("/heartbeat", async () => ({ result: "beating" }));
    await app.register(receiveRoute(client));
    statusRoute(app, client);
    thumbnailRoute(app, client);
    return app;
  },
};
