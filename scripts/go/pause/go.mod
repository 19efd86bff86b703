module kubeup/pause

go 1.19
