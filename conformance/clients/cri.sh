# What a kubelet asks of a CRI plugin, by crictl; sourced by the scripts of cases.
# $CONTAINER_RUNTIME_ENDPOINT is its socket; box and pause are images of $PLACE.

# cri_images: load them, pause by the name that the configuration has for it.
cri_images() {
    local pause
    pause=$(containerd config dump | sed -nE "s/.*sandbox(_image)? = ['\"]([^'\"]+)['\"].*/\2/p" | head -n 1)
    ctr -n k8s.io images import $PLACE/image.tar >/dev/null
    ctr -n k8s.io images import $PLACE/pause.tar >/dev/null
    ctr -n k8s.io images tag docker.io/library/pause:latest "$pause" >/dev/null
    eventually eval 'crictl images | grep -q library/box'
}

# pod NAME [SECURITY [LINUX [POD]]]: the configuration of a pod, with more properties of its security context,
# of its linux section, and of its own.  On the host's network, if security says nothing else.
pod() {
    local security=${2:-'"namespace_options": {"network": 2}'}
    cat <<end
{"metadata": {"name": "$1", "namespace": "default", "uid": "$1", "attempt": 1}, "log_directory": "$PWD/logs",
 "linux": {"security_context": {$security}${3:+, $3}}${4:+, $4}}
end
}

# container NAME COMMAND [PROPERTIES]: the configuration of a container that runs a shell's command.
container() {
    cat <<end
{"metadata": {"name": "$1"}, "image": {"image": "docker.io/library/box:latest"}, "log_path": "$1.log",
 "command": ["sh", "-c", "$2"]${3:+, $3}}
end
}

# begin POD-ID POD-FILE CONTAINER-FILE: create and start a container; prints its id.
begin() {
    local id
    id=$(crictl create --no-pull $1 $3 $2)
    crictl start $id >/dev/null
    echo $id
}

# end_pods: remove all of them.
end_pods() {
    local ids
    ids=$(crictl pods -q)
    test -z "$ids" || { crictl stopp $ids && crictl rmp -f $ids; } >/dev/null
}
