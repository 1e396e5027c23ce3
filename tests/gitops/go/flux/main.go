// What Flux does with objects, by the code of Flux itself. `judge` tells their health: by kstatus, which it follows by default
// (as `helm --wait` of Helm 4 does), and by the health check expressions of a file. `apply` applies them to a cluster.
//
// Reads a `List` of objects as JSON from standard input; writes a JSON list with an answer for each.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

type answer struct {
	Kstatus     string `json:"kstatus"`
	Expressions string `json:"expressions"`
}

func main() {
	run := map[string]func(string) error{"judge": judge, "apply": apply}[os.Args[1]]
	if err := run(os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(expressions string) error {
	evaluators, err := evaluatorsOf(expressions)
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
		byConditions, err := status.Compute(object)
		if err != nil {
			return err
		}
		evaluator, found := evaluators[object.GetKind()]
		if !found {
			return fmt.Errorf("there are no expressions for %s", object.GetKind())
		}
		byExpressions, err := evaluator.Evaluate(context.Background(), object)
		if err != nil {
			return fmt.Errorf("%s: %w", object.GetName(), err)
		}
		answers = append(answers, answer{string(byConditions.Status), string(byExpressions.Status)})
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func evaluatorsOf(file string) (map[string]*cel.StatusEvaluator, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var checks []kustomize.CustomHealthCheck
	if err := yaml.UnmarshalStrict(text, &checks); err != nil {
		return nil, err
	}
	evaluators := map[string]*cel.StatusEvaluator{}
	for _, check := range checks {
		evaluator, err := cel.NewStatusEvaluator(&check.HealthCheckExpressions)
		if err != nil {
			return nil, err
		}
		evaluators[check.Kind] = evaluator
	}
	return evaluators, nil
}
