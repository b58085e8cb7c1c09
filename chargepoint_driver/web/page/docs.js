// The API's document, shown by Swagger UI. Requests that are tried out have the cookie of the page.

SwaggerUIBundle({
  dom_id: "#docs",
  url: "/api/v1/openapi.json",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
