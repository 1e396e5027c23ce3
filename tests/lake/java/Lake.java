package org.apache.iceberg.rest;

import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import org.apache.iceberg.CatalogUtil;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.ssl.SslContextFactory;

/**
 * Apache's REST catalog on one address: its own main listens on every one. What it is made of is
 * private to its package, so this is in it.
 *
 * <p>Arguments: HOST PORT TOKEN FOLDER NAME=VALUE... With a TOKEN it lets nobody in who does not
 * bring it, but for whoever fetches one. With a FOLDER, which has cert.pem and key.pem, it speaks
 * TLS alone. Both may be empty. The rest are properties of the catalog. It prints a line a request.
 */
public final class Lake {
  public static void main(String[] arguments) throws Exception {
    Map<String, String> properties = new HashMap<>();
    for (int at = 4; at < arguments.length; at++) {
      String[] pair = arguments[at].split("=", 2);
      properties.put(pair[0], pair[1]);
    }
    var backend = CatalogUtil.buildIcebergCatalog("lake", properties, null);
    var adapter = new RESTServerCatalogAdapter(new RESTCatalogServer.CatalogContext(backend, properties));
    var server = new Server();
    var connector = arguments[3].isEmpty() ? new ServerConnector(server) : new ServerConnector(server, tls(Path.of(arguments[3])));
    connector.setHost(arguments[0]);
    connector.setPort(Integer.parseInt(arguments[1]));
    server.addConnector(connector);
    var handler = new ServletContextHandler();
    handler.addServlet(new ServletHolder(new Guarded(adapter, arguments[2])), "/*");
    server.setHandler(handler);
    server.start();
    server.join();
  }

  /** The catalog behind a token. */
  private static final class Guarded extends RESTCatalogServlet {
    private final String token;

    Guarded(RESTCatalogAdapter adapter, String token) {
      super(adapter);
      this.token = token;
    }

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
      try {
        boolean known = ("Bearer " + token).equals(request.getHeader("Authorization"));
        if (token.isEmpty() || known || request.getRequestURI().endsWith("/oauth/tokens")) {
          super.service(request, response);
        } else {
          response.setStatus(401);
          response.getWriter().write("{\"error\":{\"message\":\"Who are you?\",\"code\":401}}");
        }
      } catch (ServletException exception) {
        throw new IOException(exception);
      } finally {
        System.out.println(response.getStatus() + " " + request.getMethod() + " " + request.getRequestURI());
      }
    }
  }

  private static SslContextFactory.Server tls(Path folder) throws Exception {
    Certificate certificate;
    try (InputStream file = Files.newInputStream(folder.resolve("cert.pem"))) {
      certificate = CertificateFactory.getInstance("X.509").generateCertificate(file);
    }
    String pem = Files.readString(folder.resolve("key.pem")).replaceAll("-----.*-----", "");
    byte[] key = Base64.getMimeDecoder().decode(pem);
    var store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    store.setKeyEntry(
        "lake",
        KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(key)),
        new char[0],
        new Certificate[] {certificate});
    var tls = new SslContextFactory.Server();
    tls.setKeyStore(store);
    tls.setKeyStorePassword("");
    tls.setSniRequired(false);
    return tls;
  }
}
