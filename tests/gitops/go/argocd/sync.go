package main

import (
	"encoding/json"
	"os"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/tracing"
	appv1 "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// What the engine is to manage, and so to prune: what carries Argo CD's annotation.
const tracked = "argocd.argoproj.io/tracking-id"

// Syncs a namespace to the objects of standard input as Argo CD does for an application with prune: wave by wave, each of which
// has to be healthy by our rules before the next one begins. Ends with the sync, and writes the outcome of each object.
func syncTo(rules, kubeconfig, namespace string) error {
	overrides, err := overridesOf(rules)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	// The engine lists every kind at its start. These are Argo CD's limits.
	config.QPS, config.Burst = 50, 100
	input := unstructured.UnstructuredList{}
	if err := json.NewDecoder(os.Stdin).Decode(&input); err != nil {
		return err
	}
	targets := []*unstructured.Unstructured{}
	for i := range input.Items {
		input.Items[i].SetNamespace(namespace)
		targets = append(targets, &input.Items[i])
	}
	isTracked := func(object *unstructured.Unstructured, _ bool) (any, bool) {
		managed := object.GetAnnotations()[tracked] != ""
		return managed, managed
	}
	cluster := cache.NewClusterCache(config,
		cache.SetNamespaces([]string{namespace}),
		cache.SetPopulateResourceInfoHandler(isTracked),
		cache.SetLogr(logr.Discard()),
	)
	if err := cluster.EnsureSynced(); err != nil {
		return err
	}
	// As Argo CD's controller goes on with an operation: each time with what is live then.
	state := operation{phase: common.OperationRunning, started: metav1.Now()}
	for !state.phase.Completed() {
		state, err = step(state, config, cluster, targets, namespace, overrides)
		if err != nil {
			return err
		}
		time.Sleep(time.Second)
	}
	results := state.results
	outcomes := map[string]string{}
	for _, result := range results {
		outcomes[result.ResourceKey.Kind+"/"+result.ResourceKey.Name] = string(result.Status) + " " + string(result.HookPhase)
	}
	return json.NewEncoder(os.Stdout).Encode(outcomes)
}

type operation struct {
	phase   common.OperationPhase
	message string
	results []common.ResourceSyncResult
	started metav1.Time
}

func step(state operation, config *rest.Config, cluster cache.ClusterCache, targets []*unstructured.Unstructured, namespace string, overrides map[string]appv1.ResourceOverride) (operation, error) {
	isManaged := func(resource *cache.Resource) bool { return resource.Info == true }
	live, err := cluster.GetManagedLiveObjs(targets, isManaged)
	if err != nil {
		return state, err
	}
	reconciled := sync.Reconcile(targets, live, namespace, cluster)
	// There is no controller here that ends a deletion in the foreground.
	background := metav1.DeletePropagationBackground
	sync, cleanup, err := sync.NewSyncContext("revision", reconciled, config, config, &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}, namespace,
		sync.WithHealthOverride(lua.ResourceHealthOverrides(overrides)),
		sync.WithInitialState(state.phase, state.message, state.results, state.started),
		sync.WithPrune(true),
		sync.WithPrunePropagationPolicy(&background),
		sync.WithLogr(logr.Discard()),
	)
	if err != nil {
		return state, err
	}
	defer cleanup()
	sync.Sync()
	state.phase, state.message, state.results = sync.GetState()
	return state, nil
}
