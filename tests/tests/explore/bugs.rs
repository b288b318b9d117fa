//! Faults that are planted in a machine, declared once: what is in the list is tried.

/// Declares the protections of a machine that can be taken away, and all of them.
macro_rules! bugs {
    ($($(#[doc = $doc:literal])* $bug:ident,)*) => {
        /// Protections that can be taken away.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Bug {
            $($(#[doc = $doc])* $bug,)*
        }

        impl Bug {
            /// Each of them, to be found.
            pub(crate) const ALL: [Self; [$(Self::$bug),*].len()] = [$(Self::$bug),*];
        }
    };
}
