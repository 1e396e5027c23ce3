import java.util.HashMap;
import java.util.Map;
import org.apache.iceberg.Table;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.rest.RESTCatalog;

/**
 * Compacts the manifests of a table, which pyiceberg cannot: a snapshot of the kind `replace`, with the same rows.
 *
 * <p>java Compact TABLE NAME=VALUE...: the rest are properties of the catalog, its uri among them.
 */
public final class Compact {
  public static void main(String[] arguments) throws Exception {
    Map<String, String> properties = new HashMap<>();
    for (int at = 1; at < arguments.length; at++) {
      String[] pair = arguments[at].split("=", 2);
      properties.put(pair[0], pair[1]);
    }
    try (RESTCatalog catalog = new RESTCatalog()) {
      catalog.initialize("lake", properties);
      Table table = catalog.loadTable(TableIdentifier.parse(arguments[0]));
      table.rewriteManifests().clusterBy(file -> "one").commit();
      System.out.println(table.currentSnapshot().operation());
    }
  }
}
