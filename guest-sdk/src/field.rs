//! Which columns can be had together, widened to 64 bits.

#[cfg(not(target_arch = "wasm32"))]
use crate::batch::Columns;

macro_rules! fields {
    ($($(#[$doc:meta])* $number:literal $name:ident, $one:ident, $field:ident: $kind:ident $raw:ty => $type:ty;)*) => {
        /// A number that every call has: what [`Batch::columns`](crate::Batch::columns) is asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Field {
            $(
                #[doc = concat!("[`", stringify!($name), "`](crate::Batch::", stringify!($name), ")")]
                $field = $number,
            )*
        }

        #[cfg(not(target_arch = "wasm32"))]
        impl Field {
            /// How many there are.
            pub(crate) const COUNT: usize = [$($number),*].len();

            /// The name of the column.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$field => stringify!($name),)*
                }
            }

            /// The column, widened as the host does it.
            pub(crate) fn widen(self, columns: &Columns) -> Box<[u64]> {
                match self {
                    $(Self::$field => columns.$name.iter().map(|&value| value as u64).collect(),)*
                }
            }
        }
    };
}

number_columns!(fields);

impl Field {
    /// Its bit in the host's question.
    #[cfg(target_arch = "wasm32")]
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u8
    }
}
