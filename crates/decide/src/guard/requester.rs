//! Who asks: a controller that makes the pods of an object which was judged already, or somebody else.

use plimsoll_fleet::written::Written;

/// Does its controller ask for this object? It was judged when what controls it came in: to refuse it now would stop, at the next
/// move of a pod, what was let in long ago.
///
/// An owner reference can be written by anybody, so who asks counts too: the controller manager, or a service account of another
/// namespace than the object's, as operators have.
#[must_use]
pub fn is_by_controller(object: &Written, user: &str) -> bool {
    let of_another_namespace = || {
        let account = user.strip_prefix("system:serviceaccount:").and_then(|account| account.split_once(':'));
        account.is_some_and(|(namespace, _)| *namespace != *object.namespace)
    };
    object.owned && (user == "system:kube-controller-manager" || of_another_namespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_reference_alone_opens_no_door() {
        let owned = Written { owned: true, namespace: "ml".into(), ..Written::default() };
        assert!(is_by_controller(&owned, "system:serviceaccount:kube-system:replicaset-controller"));
        assert!(is_by_controller(&owned, "system:kube-controller-manager"));
        for user in ["alice", "system:serviceaccount:ml:ci", "system:serviceaccount", ""] {
            assert!(!is_by_controller(&owned, user), "{user}");
        }
        assert!(!is_by_controller(&Written { owned: false, ..owned }, "system:kube-controller-manager"));
    }
}
