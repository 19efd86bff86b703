module kubeup/beds/minikube/dashboard

go 1.24.0
