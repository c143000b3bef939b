window.addEventListener("DOMContentLoaded", () => {
  const settings = document.getElementById("docs").dataset;
  window.SwaggerUIBundle({
    url: settings.openapi,
    dom_id: "#docs",
    deepLinking: true,
    displayRequestDuration: true,
    docExpansion: "none",
    filter: true,
    persistAuthorization: false,
    validatorUrl: null,
  });
});
