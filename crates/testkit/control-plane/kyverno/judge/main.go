// Judges many objects by policies that are compiled once, with the engine that Kyverno's own program has inside. That program compiles
// every policy anew for every object, which takes it seconds an object.
//
// In: a JSON document of policies (ValidatingPolicy), namespaces and objects that are to be made. Out: a line of JSON an object, in the
// order of the objects: the policies that it breaks with what they say, and those that cannot be evaluated.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sync"

	policiesv1beta1 "github.com/kyverno/api/api/policies.kyverno.io/v1beta1"
	"github.com/kyverno/kyverno/pkg/cel/engine"
	"github.com/kyverno/kyverno/pkg/cel/matching"
	"github.com/kyverno/kyverno/pkg/cel/policies/vpol/compiler"
	vpol "github.com/kyverno/kyverno/pkg/cel/policies/vpol/engine"
	engineapi "github.com/kyverno/kyverno/pkg/engine/api"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type asked struct {
	Policies   []*policiesv1beta1.ValidatingPolicy `json:"policies"`
	Namespaces []*corev1.Namespace                 `json:"namespaces"`
	Objects    []json.RawMessage                   `json:"objects"`
}

type told struct {
	Asked  int               `json:"asked"`
	Broken map[string]string `json:"broken"`
	Failed map[string]string `json:"failed"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked asked
	if err := json.NewDecoder(bufio.NewReader(os.Stdin)).Decode(&asked); err != nil {
		return fmt.Errorf("cannot read what is asked: %w", err)
	}
	policies := make([]policiesv1beta1.ValidatingPolicyLike, 0, len(asked.Policies))
	for _, policy := range asked.Policies {
		policies = append(policies, policy)
	}
	provider, err := vpol.NewProvider(compiler.NewCompiler(), policies, nil)
	if err != nil {
		return err
	}
	namespaces := map[string]*corev1.Namespace{}
	for _, namespace := range asked.Namespaces {
		namespaces[namespace.Name] = namespace
	}
	judge := vpol.NewEngine(provider, func(name string) *corev1.Namespace { return namespaces[name] }, matching.NewMatcher())

	all := make([]told, len(asked.Objects))
	failures := make([]error, len(asked.Objects))
	turns := make(chan struct{}, runtime.NumCPU())
	var busy sync.WaitGroup
	for at := range asked.Objects {
		turns <- struct{}{}
		busy.Add(1)
		go func() {
			defer func() { <-turns; busy.Done() }()
			all[at], failures[at] = one(judge, asked.Objects[at])
		}()
	}
	busy.Wait()
	out := bufio.NewWriter(os.Stdout)
	lines := json.NewEncoder(out)
	for at, told := range all {
		if failures[at] != nil {
			return fmt.Errorf("object %d: %w", at, failures[at])
		}
		if err := lines.Encode(told); err != nil {
			return err
		}
	}
	return out.Flush()
}

func one(judge vpol.Engine, text []byte) (told, error) {
	told := told{Broken: map[string]string{}, Failed: map[string]string{}}
	var object unstructured.Unstructured
	if err := object.UnmarshalJSON(text); err != nil {
		return told, err
	}
	kind := object.GroupVersionKind()
	// As a cluster names the resource; no kind of ours has an odd plural.
	resource, _ := meta.UnsafeGuessKindToResource(kind)
	request := engine.Request(nil, kind, resource, "", object.GetName(), object.GetNamespace(), admissionv1.Create,
		authenticationv1.UserInfo{}, &object, nil, false, nil)
	response, err := judge.Handle(context.Background(), request, nil)
	if err != nil {
		return told, err
	}
	for _, policy := range response.Policies {
		for _, rule := range policy.Rules {
			switch name := policy.Policy.GetName(); rule.Status() {
			case engineapi.RuleStatusFail, engineapi.RuleStatusWarn:
				told.Broken[name] = rule.Message()
			case engineapi.RuleStatusError:
				told.Failed[name] = rule.Message()
			}
			told.Asked++
		}
	}
	return told, nil
}
