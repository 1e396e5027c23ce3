// What Argo CD does with objects, by the code of Argo CD itself. `judge` tells their health and the actions on them, `sync`
// applies them to a namespace.
//
// Reads the ConfigMap argocd-cm from the file of the second argument, as a user installs it, and a `List` of objects as
// JSON from standard input; writes a JSON list with an answer for each.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	appv1 "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	jsonpatch "github.com/evanphx/json-patch"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

type action struct {
	Disabled bool `json:"disabled"`
	// The merge patch that Argo CD's API server sends for it.
	Patch json.RawMessage `json:"patch"`
}

type answer struct {
	Status  string            `json:"status"`
	Message string            `json:"message"`
	Actions map[string]action `json:"actions"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if args[0] == "sync" {
		return syncTo(args[1], args[2], args[3])
	}
	return judge(args[1])
}

func judge(rules string) error {
	overrides, err := overridesOf(rules)
	if err != nil {
		return err
	}
	input := unstructured.UnstructuredList{}
	if err := json.NewDecoder(os.Stdin).Decode(&input); err != nil {
		return err
	}
	answers := []answer{}
	for i := range input.Items {
		object := &input.Items[i]
		answer, err := answerOf(overrides, object)
		if err != nil {
			return fmt.Errorf("%s: %w", object.GetName(), err)
		}
		answers = append(answers, answer)
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// As Argo CD reads the ConfigMap: resource.customizations.<field>.<group>_<kind>.
func overridesOf(file string) (map[string]appv1.ResourceOverride, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var configMap struct{ Data map[string]string }
	if err := yaml.Unmarshal(text, &configMap); err != nil {
		return nil, err
	}
	overrides := map[string]appv1.ResourceOverride{}
	for key, value := range configMap.Data {
		field, kind, found := strings.Cut(strings.TrimPrefix(key, "resource.customizations."), ".")
		if !found {
			return nil, fmt.Errorf("%s is no key of a customization", key)
		}
		kind = strings.Replace(kind, "_", "/", 1)
		override := overrides[kind]
		switch field {
		case "health":
			override.HealthLua = value
		case "actions":
			override.Actions = value
		default:
			return nil, fmt.Errorf("%s is not understood", key)
		}
		overrides[kind] = override
	}
	return overrides, nil
}

func answerOf(overrides map[string]appv1.ResourceOverride, object *unstructured.Unstructured) (answer, error) {
	health, err := health.GetResourceHealth(object, lua.ResourceHealthOverrides(overrides))
	if err != nil {
		return answer{}, err
	}
	if health == nil {
		return answer{}, fmt.Errorf("there is no health rule for it")
	}
	result := answer{Status: string(health.Status), Message: health.Message, Actions: map[string]action{}}
	vm := lua.VM{ResourceOverrides: overrides}
	discovery, err := vm.GetResourceActionDiscovery(object)
	if err != nil || len(discovery) == 0 {
		return result, err
	}
	available, err := vm.ExecuteResourceActionDiscovery(object, discovery)
	if err != nil {
		return answer{}, err
	}
	for _, offered := range available {
		patch, err := patchOf(vm, object, offered.Name)
		if err != nil {
			return answer{}, err
		}
		result.Actions[offered.Name] = action{Disabled: offered.Disabled, Patch: patch}
	}
	return result, nil
}

func patchOf(vm lua.VM, object *unstructured.Unstructured, name string) ([]byte, error) {
	definition, err := vm.GetResourceAction(object, name)
	if err != nil {
		return nil, err
	}
	impacted, err := vm.ExecuteResourceAction(object, definition.ActionLua, nil)
	if err != nil {
		return nil, err
	}
	if len(impacted) != 1 || impacted[0].K8SOperation != lua.PatchOperation {
		return nil, fmt.Errorf("the action %s does not patch one object", name)
	}
	before, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(impacted[0].UnstructuredObj)
	if err != nil {
		return nil, err
	}
	return jsonpatch.CreateMergePatch(before, after)
}
