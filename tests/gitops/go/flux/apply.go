package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/fluxcd/pkg/ssa"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Applies the objects of standard input as Flux' kustomize-controller does for a Kustomization called "shop" in the namespace
// "flux-system", and writes what it did with each: "created", "configured" or "unchanged".
func apply(kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	kube, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	input := unstructured.UnstructuredList{}
	if err := json.NewDecoder(os.Stdin).Decode(&input); err != nil {
		return err
	}
	objects := []*unstructured.Unstructured{}
	for i := range input.Items {
		objects = append(objects, &input.Items[i])
	}
	manager := ssa.NewResourceManager(kube, nil, ssa.Owner{
		Field: "kustomize-controller",
		Group: "kustomize.toolkit.fluxcd.io",
	})
	manager.SetOwnerLabels(objects, "shop", "flux-system")
	changes, err := manager.ApplyAllStaged(context.Background(), objects, options())
	if err != nil {
		return err
	}
	actions := []string{}
	for _, change := range changes.Entries {
		actions = append(actions, string(change.Action))
	}
	return json.NewEncoder(os.Stdout).Encode(actions)
}

// As in kustomize-controller's reconciler.
func options() ssa.ApplyOptions {
	options := ssa.DefaultApplyOptions()
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: []string{
			corev1.LastAppliedConfigAnnotation,
			"kustomize.toolkit.fluxcd.io/checksum",
			"fluxcd.io/sync-checksum",
		},
		Labels: []string{"fluxcd.io/sync-gc-mark"},
		FieldManagers: []ssa.FieldManager{
			{
				// to undo changes made with 'kubectl apply --server-side --force-conflicts'
				Name:          "kubectl",
				OperationType: metav1.ManagedFieldsOperationApply,
			},
			{
				// to undo changes made with 'kubectl apply'
				Name:          "kubectl",
				OperationType: metav1.ManagedFieldsOperationUpdate,
			},
			{
				// to undo changes made with 'kubectl apply'
				Name:          "before-first-apply",
				OperationType: metav1.ManagedFieldsOperationUpdate,
			},
			{
				// to undo changes made by the controller before SSA
				Name:          "kustomize-controller",
				OperationType: metav1.ManagedFieldsOperationUpdate,
			},
		},
		Exclusions: map[string]string{"kustomize.toolkit.fluxcd.io/ssa": "Merge"},
	}
	return options
}
