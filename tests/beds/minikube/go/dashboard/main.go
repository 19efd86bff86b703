// A stand-in for Kubernetes' dashboard and its metrics scraper: a page on the ports where minikube's addon expects the two.
package main

import (
	"fmt"
	"log"
	"net/http"
)

func main() {
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(answer, "stand-in for the dashboard")
	})
	go func() { log.Fatal(http.ListenAndServe(":8000", nil)) }()
	log.Fatal(http.ListenAndServe(":9090", nil))
}
