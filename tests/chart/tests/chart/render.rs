//! What is rendered: the properties that matter, not the text.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    of_kind, render,
    switches::{RENDERED, rendered},
};

/// The container of the only Deployment.
fn container(objects: &[Value]) -> Value {
    let deployments = of_kind(objects, "Deployment");
    assert_eq!(deployments.len(), 1);
    deployments[0]["spec"]["template"]["spec"]["containers"][0].clone()
}

fn args(objects: &[Value]) -> Vec<String> {
    let args = container(objects)["args"].clone();
    args.as_array().unwrap().iter().map(|arg| arg.as_str().unwrap().to_owned()).collect()
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> Vec<&'a Value> {
    of_kind(objects, kind).into_iter().filter(|object| object["metadata"]["name"] == name).collect()
}

#[test]
fn every_object_has_the_labels_and_a_namespace_that_was_asked_for() {
    let cluster_wide = ["CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"];
    for (name, values, objects) in &*RENDERED {
        for object in objects {
            let (kind, metadata) = (object["kind"].as_str().unwrap(), &object["metadata"]);
            assert_eq!(metadata["labels"]["app.kubernetes.io/instance"], "milvus-refresh-operator", "{name}: {object}");
            if let Some(team) = values["commonLabels"]["team"].as_str() {
                assert_eq!(metadata["labels"]["team"], team, "{name}: {object}");
            }
            let namespace = metadata["namespace"].as_str();
            match kind {
                kind if cluster_wide.contains(&kind) => assert_eq!(namespace, None, "{name}: {object}"),
                "Role" | "RoleBinding" => {
                    let namespace = namespace.unwrap();
                    assert!(["milvus-refresh-system", "shop", "search"].contains(&namespace), "{name}: {namespace}");
                }
                _ => assert_eq!(namespace, Some("milvus-refresh-system"), "{name}: {object}"),
            }
        }
    }
}

#[test]
fn no_refresh_and_no_connection_is_part_of_the_chart() {
    for (name, _, objects) in &*RENDERED {
        let ours = objects.iter().filter(|object| {
            object["apiVersion"].as_str().is_some_and(|version| version.starts_with("milvus-refresh.dev/"))
        });
        assert_eq!(ours.count(), 0, "{name}");
    }
}

#[test]
fn the_operator_always_elects_a_leader_and_may_hold_just_that_lease() {
    for (name, values, objects) in &*RENDERED {
        let args = args(objects);
        assert!(args.contains(&"--leader-elect=true".to_owned()), "{name}: {args:?}");
        assert!(args.contains(&"--lease-namespace=milvus-refresh-system".to_owned()), "{name}: {args:?}");
        let lease = args.iter().find_map(|arg| arg.strip_prefix("--lease-name=")).unwrap();
        let roles = named(objects, "Role", &format!("{lease}-lease"));
        let expected = usize::from(values["rbac"]["create"] != false);
        assert_eq!(roles.len(), expected, "{name}");
        for role in roles {
            assert_eq!(role["rules"][0]["resourceNames"], json!([lease]), "{name}");
        }
    }
}

#[test]
fn with_watched_namespaces_there_is_no_cluster_role_and_the_operator_watches_just_these() {
    for (name, values, objects) in &*RENDERED {
        let args = args(objects);
        let watched: Vec<&str> = args.iter().filter_map(|arg| arg.strip_prefix("--watch-namespace=")).collect();
        let wanted: Vec<&str> =
            values["watchNamespaces"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(watched, wanted, "{name}");
        if wanted.is_empty() {
            continue;
        }
        let everywhere = of_kind(objects, "ClusterRole").len() + of_kind(objects, "ClusterRoleBinding").len();
        assert_eq!(everywhere, 0, "{name}");
        let roles = named(objects, "Role", "milvus-refresh-operator");
        let namespaces: Vec<&str> = roles.iter().map(|role| role["metadata"]["namespace"].as_str().unwrap()).collect();
        assert_eq!(namespaces, wanted, "{name}");
    }
}

#[test]
fn connections_may_use_the_operators_identity_only_where_that_is_asked_for_and_its_tokens_are_where_it_looks() {
    for (name, values, objects) in &*RENDERED {
        let allowed = values["workloadIdentity"]["enabled"] == true;
        assert_eq!(args(objects).contains(&"--allow-workload-identity".to_owned()), allowed, "{name}");
        let pod = &of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"];
        let volumes = pod["volumes"].as_array().unwrap().iter().filter(|volume| volume["name"] == "identity");
        let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap().clone();
        let folder = mounts.iter().find(|mount| mount["name"] == "identity").map(|mount| mount["mountPath"].as_str());
        let tokens: Vec<String> = volumes
            .flat_map(|volume| volume["projected"]["sources"].as_array().unwrap())
            .map(|source| {
                format!("{}/{}", folder.unwrap().unwrap(), source["serviceAccountToken"]["path"].as_str().unwrap())
            })
            .collect();
        let expected = ["aws", "azure"].map(|cloud| format!("/var/run/secrets/milvus-refresh-operator/{cloud}/token"));
        assert_eq!(tokens, if allowed { expected.to_vec() } else { vec![] }, "{name}");
    }
}

/// Where Secrets may be read, and which: `None` for all of them.
fn secrets(objects: &[Value]) -> BTreeSet<(String, String, Option<String>)> {
    let roles = objects.iter().filter(|object| ["Role", "ClusterRole"].iter().any(|kind| object["kind"] == *kind));
    let mut found = BTreeSet::new();
    for role in roles {
        let namespace = role["metadata"]["namespace"].as_str().unwrap_or("*");
        for rule in role["rules"].as_array().unwrap() {
            for resource in rule["resources"].as_array().unwrap() {
                let resource = resource.as_str().unwrap();
                if !["secrets", "configmaps"].contains(&resource) {
                    continue;
                }
                let entry = |name| (namespace.to_owned(), resource.to_owned(), name);
                match rule["resourceNames"].as_array() {
                    None => drop(found.insert(entry(None))),
                    Some(names) => {
                        found.extend(names.iter().map(|name| entry(Some(name.as_str().unwrap().to_owned()))));
                    }
                }
            }
        }
    }
    found
}

#[test]
fn secrets_and_config_maps_can_be_read_just_where_the_values_say() {
    let all = |namespace: &str| {
        ["secrets", "configmaps"].map(|resource| (namespace.to_owned(), resource.to_owned(), None)).to_vec()
    };
    let one = |namespace: &str, resource: &str, name: &str| {
        (namespace.to_owned(), resource.to_owned(), Some(name.to_owned()))
    };
    let named = vec![
        one("shop", "secrets", "milvus-login"),
        one("shop", "configmaps", "milvus-ca"),
        one("search", "secrets", "a"),
        one("search", "secrets", "b"),
    ];
    for (name, expected) in [
        ("nothing", all("*")),
        ("two namespaces", [all("shop"), all("search")].concat()),
        ("secrets of a namespace", all("shop")),
        ("named secrets", named.clone()),
        (
            "secrets named twice",
            vec![
                one("shop", "secrets", "milvus-login"),
                one("shop", "secrets", "specs"),
                one("shop", "configmaps", "milvus-ca"),
                one("search", "secrets", "a"),
            ],
        ),
        ("two namespaces and secrets of one", all("shop")),
        ("two namespaces and named secrets", named),
        ("no RBAC", vec![]),
    ] {
        assert_eq!(secrets(&rendered(name).2), expected.into_iter().collect(), "{name}");
    }
}

#[test]
fn every_binding_binds_a_rendered_role_to_the_account_of_the_pod() {
    for (name, values, objects) in &*RENDERED {
        let account = &of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]["serviceAccountName"];
        let made = of_kind(objects, "ServiceAccount");
        assert_eq!(made.len(), usize::from(values["serviceAccount"]["create"] != false), "{name}");
        assert!(made.iter().all(|made| made["metadata"]["name"] == *account), "{name}");
        let mut bound = 0;
        for binding in objects.iter().filter(|object| object["kind"].as_str().unwrap().ends_with("Binding")) {
            let (role, namespace) = (&binding["roleRef"], &binding["metadata"]["namespace"]);
            let found = named(objects, role["kind"].as_str().unwrap(), role["name"].as_str().unwrap());
            assert!(found.iter().any(|role| role["metadata"]["namespace"] == *namespace), "{name}: {binding}");
            let subject = json!([{ "kind": "ServiceAccount", "name": account, "namespace": "milvus-refresh-system" }]);
            assert_eq!(binding["subjects"], subject, "{name}");
            bound += 1;
        }
        assert_eq!(bound > 0, values["rbac"]["create"] != false, "{name}");
    }
}

#[test]
fn a_grant_for_milvus_objects_is_made_only_on_demand() {
    let asks = |values: Value| render(&values).iter().any(|object| object.to_string().contains("milvus.io\""));
    assert!(!asks(json!({})));
    assert!(asks(json!({ "milvusRef": { "enabled": true } })));
}

#[test]
fn people_who_edit_write_refreshes_and_only_admins_write_connections() {
    let objects = render(&Value::Null);
    // Who may do this by aggregation.
    let may = |verb: &str, resource: &str| -> Vec<&str> {
        ["view", "edit", "admin"]
            .into_iter()
            .filter(|who| {
                of_kind(&objects, "ClusterRole").iter().any(|role| {
                    let has = |list: &Value, word: &str| list.as_array().unwrap().contains(&json!(word));
                    role["metadata"]["labels"][format!("rbac.authorization.k8s.io/aggregate-to-{who}")] == "true"
                        && role["rules"]
                            .as_array()
                            .unwrap()
                            .iter()
                            .any(|rule| has(&rule["resources"], resource) && has(&rule["verbs"], verb))
                })
            })
            .collect()
    };
    assert_eq!(may("watch", "externalcollectionrefreshes"), ["view", "edit", "admin"]);
    assert_eq!(may("get", "milvusconnections"), ["view", "edit", "admin"]);
    assert_eq!(may("create", "externalcollectionrefreshes"), ["edit", "admin"]);
    assert_eq!(may("create", "milvusconnections"), ["admin"]);
    for verb in ["update", "patch"] {
        assert!(may(verb, "externalcollectionrefreshes/status").is_empty());
    }
    for values in [json!({ "rbac": { "aggregate": false } }), json!({ "rbac": { "create": false } })] {
        assert!(!render(&values).iter().any(|object| object.to_string().contains("aggregate-to")));
    }
}

#[test]
fn an_image_is_named_by_tag_or_by_digest() {
    let image = |values: Value| container(&render(&json!({ "image": values })))["image"].clone();
    let version = crate::value_in("Cargo.toml", "version");
    assert_eq!(image(json!({})), format!("milvus-refresh-operator:{version}"));
    assert_eq!(image(json!({ "repository": "r.example/x", "tag": "v1" })), "r.example/x:v1");
    let digest = format!("sha256:{}", "0".repeat(64));
    assert_eq!(
        image(json!({ "repository": "r.example/x", "tag": "v1", "digest": digest })),
        format!("r.example/x@{digest}")
    );
}

#[test]
fn high_availability_is_replicas_apart_from_each_other_and_a_budget() {
    let alone = render(&Value::Null);
    assert_eq!(of_kind(&alone, "Deployment")[0]["spec"]["replicas"], 1);
    assert!(of_kind(&alone, "PodDisruptionBudget").is_empty());

    for (how, list) in [
        ("preferred", "preferredDuringSchedulingIgnoredDuringExecution"),
        ("required", "requiredDuringSchedulingIgnoredDuringExecution"),
    ] {
        let objects = render(&json!({ "highAvailability": { "enabled": true, "antiAffinity": how } }));
        let deployment = of_kind(&objects, "Deployment")[0];
        assert_eq!(deployment["spec"]["replicas"], 2);
        // Else a rolling update of as many replicas as nodes would wait for ever.
        let surge = &deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"];
        assert_eq!(*surge == 0, how == "required", "{surge}");
        let affinity = &deployment["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"];
        assert_eq!(affinity.as_object().unwrap().keys().collect::<Vec<_>>(), [list]);
        let budget = &of_kind(&objects, "PodDisruptionBudget")[0]["spec"];
        assert_eq!(budget["minAvailable"], 1);
        assert_eq!(budget["selector"], deployment["spec"]["selector"]);
    }
}

#[test]
fn what_is_said_of_the_pod_is_in_the_pod() {
    let (_, values, objects) = rendered("all about the pod");
    let deployment = of_kind(objects, "Deployment")[0];
    let template = &deployment["spec"]["template"];
    assert_eq!(deployment["metadata"]["annotations"], values["deploymentAnnotations"]);
    assert_eq!(template["metadata"]["annotations"], values["podAnnotations"]);
    assert_eq!(template["metadata"]["labels"]["mesh"], "on");
    assert_eq!(
        of_kind(objects, "ServiceAccount")[0]["metadata"]["annotations"],
        values["serviceAccount"]["annotations"]
    );
    for (there, from) in [
        ("imagePullSecrets", "imagePullSecrets"),
        ("priorityClassName", "priorityClassName"),
        ("nodeSelector", "nodeSelector"),
        ("tolerations", "tolerations"),
        ("affinity", "affinity"),
        ("terminationGracePeriodSeconds", "terminationGracePeriodSeconds"),
    ] {
        assert_eq!(template["spec"][there], values[from], "{from}");
    }
    let spread = &template["spec"]["topologySpreadConstraints"][0];
    assert_eq!(spread["topologyKey"], "topology.kubernetes.io/zone");
    assert_eq!(spread["labelSelector"], deployment["spec"]["selector"]);
    let container = container(objects);
    assert_eq!(container["volumeMounts"][1], values["extraVolumeMounts"][0]);
    assert_eq!(template["spec"]["volumes"][1], values["extraVolumes"][0]);
    assert_eq!(container["env"][1], values["extraEnv"][0]);
    let args = args(objects);
    for arg in ["--workers=4", "--log-format=text", "--help"] {
        assert!(args.contains(&arg.to_owned()), "{args:?}");
    }
}

#[test]
fn the_pod_runs_as_the_user_of_the_image_unless_the_cluster_chooses_another() {
    let deployment = of_kind(&rendered("nothing").2, "Deployment")[0].to_string();
    // OpenShift refuses a pod that asks for a user outside of its namespace's range.
    for fixed in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert!(!deployment.contains(fixed), "{fixed} in {deployment}");
    }
    assert!(deployment.contains("\"runAsNonRoot\":true"), "{deployment}");
    // The kubelet can tell only of a number that it is not root.
    let dockerfile = std::fs::read_to_string(format!("{}/Dockerfile", chart::REPOSITORY)).unwrap();
    let user = dockerfile.lines().find_map(|line| line.strip_prefix("USER ")).unwrap();
    assert!(user.split(':').all(|id| id.parse::<u32>().unwrap() > 0), "{user}");
}

#[test]
fn the_log_filter_is_in_a_file_that_the_pod_mounts_and_the_operator_reads() {
    let (_, _, objects) = rendered("all about the pod");
    let map = named(objects, "ConfigMap", "milvus-refresh-operator-log")[0];
    assert_eq!(map["data"], json!({ "filter": "debug" }));
    let volume = &of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]["volumes"][0];
    assert_eq!(volume["configMap"]["name"], map["metadata"]["name"]);
    let mount = &container(objects)["volumeMounts"][0];
    assert_eq!(mount["name"], volume["name"]);
    let file = format!("--log-filter-file={}/filter", mount["mountPath"].as_str().unwrap());
    assert!(args(objects).contains(&file));
}

#[test]
fn alerts_and_dashboard_are_those_of_the_files() {
    let read = |file: &str| std::fs::read_to_string(format!("{}/files/{file}", chart::CHART)).unwrap();
    let (_, _, objects) = rendered("monitoring");
    let alerts = chart::manifests::objects(&read("alerts.yaml")).unwrap().remove(0);
    assert!(!alerts["groups"][0]["rules"].as_array().unwrap().is_empty());
    assert_eq!(of_kind(objects, "PrometheusRule")[0]["spec"], alerts);
    let map = named(objects, "ConfigMap", "milvus-refresh-operator-dashboard")[0];
    let shown: Value = serde_json::from_str(map["data"]["milvus-refresh-operator.json"].as_str().unwrap()).unwrap();
    assert_eq!(shown, serde_json::from_str::<Value>(&read("dashboard.json")).unwrap());
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    assert!(args(objects).contains(&"--per-object-metrics".to_owned()));
}

#[test]
fn monitors_and_the_policy_select_the_pod_and_its_port() {
    let values = json!({
        "metrics": { "podMonitor": { "enabled": true }, "serviceMonitor": { "enabled": true } },
        "networkPolicy": { "enabled": true },
    });
    let objects = render(&values);
    let selector = &of_kind(&objects, "Deployment")[0]["spec"]["selector"]["matchLabels"];
    let port = &container(&objects)["ports"][0]["name"];
    let spec = |kind: &str| &of_kind(&objects, kind)[0]["spec"];
    assert_eq!(&spec("PodMonitor")["selector"]["matchLabels"], selector);
    assert_eq!(&spec("PodMonitor")["podMetricsEndpoints"][0]["port"], port);
    assert_eq!(&spec("Service")["selector"], selector);
    assert_eq!(&spec("Service")["ports"][0]["targetPort"], port);
    assert_eq!(spec("ServiceMonitor")["endpoints"][0]["port"], spec("Service")["ports"][0]["name"]);
    assert_eq!(&spec("NetworkPolicy")["podSelector"]["matchLabels"], selector);
    assert_eq!(&spec("NetworkPolicy")["ingress"][0]["ports"][0]["port"], port);
    assert_eq!(spec("NetworkPolicy")["policyTypes"], json!(["Ingress"]));
}

#[test]
fn monitors_keep_the_namespace_that_a_series_is_about() {
    let (_, _, objects) = rendered("monitoring");
    for (kind, endpoints) in [("PodMonitor", "podMetricsEndpoints"), ("ServiceMonitor", "endpoints")] {
        let monitor = of_kind(objects, kind)[0];
        assert_eq!(monitor["spec"][endpoints][0]["honorLabels"], true, "{kind}: {monitor}");
    }
}

#[test]
fn the_probes_use_the_port_that_is_served_and_whoever_names_an_address_is_heard() {
    let address = |container: &Value| {
        let all: Vec<_> = container["env"].as_array().into_iter().flatten().cloned().collect();
        let ours: Vec<_> = all.into_iter().filter(|variable| variable["name"] == "HTTP_ADDRESS").collect();
        assert_eq!(ours.len(), 1, "{container}");
        ours[0]["value"].clone()
    };
    for (values, expected) in [
        (json!({}), "[::]:8080"),
        (json!({ "httpPort": 9090 }), "[::]:9090"),
        (
            json!({ "httpPort": 9090, "extraEnv": [{ "name": "HTTP_ADDRESS", "value": "10.0.0.1:9090" }] }),
            "10.0.0.1:9090",
        ),
    ] {
        let container = container(&render(&values));
        let port = values["httpPort"].as_i64().unwrap_or(8080);
        assert_eq!(container["ports"], json!([{ "name": "http", "containerPort": port }]), "{values}");
        assert_eq!(address(&container), expected, "{values}");
        // A flag would go before the variable.
        let args = container["args"].as_array().unwrap();
        assert!(!args.iter().any(|arg| arg.as_str().unwrap().starts_with("--http-address")), "{values}: {args:?}");
    }
}
