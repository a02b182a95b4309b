//! Writes what `serde_json` writes, several times as fast: records are mostly keys and words that need no escape, small
//! numbers and moments, and are put down piece by piece without a look at every octet. What needs care goes to `serde_json`.

use std::fmt::{Display, Write as _};

use serde::ser::{self, Error as _, Serialize};
use serde_json::Error;

use super::line::{Line, is_plain};

impl Line {
    /// Appends `value` as compact JSON.
    ///
    /// # Errors
    /// What `value` itself says, and a map with keys that are no strings.
    pub fn append(&mut self, value: &impl Serialize) -> Result<(), Error> {
        value.serialize(Compact { line: self })
    }
}

/// The serializer, at the end of the line.
struct Compact<'a> {
    line: &'a mut Line,
}

/// An array or object that is begun.
struct Compound<'a> {
    line: &'a mut Line,
    /// Something stands in it.
    begun: bool,
    /// What ends it.
    end: &'static [u8],
}

impl<'a> Compact<'a> {
    #[inline(always)]
    fn number(self, number: impl itoa::Integer) -> Result<(), Error> {
        self.line.put(itoa::Buffer::new().format(number).as_bytes());
        Ok(())
    }

    #[inline]
    fn with_care(self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        serde_json::to_writer(self.line, value)
    }

    #[inline(always)]
    fn begin(self, begin: &[u8], end: &'static [u8]) -> Result<Compound<'a>, Error> {
        self.line.put(begin);
        Ok(Compound { line: self.line, begun: false, end })
    }

    /// An object whose only key is `variant`, around what `begin` begins.
    fn begin_variant(self, variant: &str, begin: &[u8], end: &'static [u8]) -> Result<Compound<'a>, Error> {
        self.line.put(b"{");
        Compact { line: &mut *self.line }.with_care(variant)?;
        self.line.put(b":");
        self.begin(begin, end)
    }
}

impl<'a> ser::Serializer for Compact<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.line.put(if value { b"true" } else { b"false" });
        Ok(())
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.number(value)
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.number(value)
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.number(value)
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        self.number(value)
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.number(value)
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.number(value)
    }

    #[inline(always)]
    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.number(value)
    }

    #[inline(always)]
    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        // Most counters of a connection stand at 0 or little more.
        if value < 10 {
            self.line.put(&[b'0' + value as u8]);
            return Ok(());
        }
        self.number(value)
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.with_care(&value)
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.with_care(&value)
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.with_care(&value)
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<(), Error> {
        if !is_plain(text) {
            return self.with_care(text);
        }
        self.line.put(b"\"");
        self.line.put(text.as_bytes());
        self.line.put(b"\"");
        Ok(())
    }

    fn serialize_bytes(self, octets: &[u8]) -> Result<(), Error> {
        self.with_care(octets)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    #[inline(always)]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Error> {
        self.line.put(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let object = self.begin_variant(variant, b"", b"}")?;
        value.serialize(Compact { line: &mut *object.line })?;
        object.finish()
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'a>, Error> {
        self.begin(b"[", b"]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'a>, Error> {
        self.begin(b"[", b"]")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, Error> {
        self.begin(b"[", b"]")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a>, Error> {
        self.begin_variant(variant, b"[", b"]}")
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'a>, Error> {
        self.begin(b"{", b"}")
    }

    #[inline(always)]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, Error> {
        self.begin(b"{", b"}")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a>, Error> {
        self.begin_variant(variant, b"{", b"}}")
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.line.put(b"\"");
        let from = self.line.octets().len();
        write!(self.line, "{value}").map_err(Error::custom)?;
        let text = std::str::from_utf8(&self.line.octets()[from..]).map_err(Error::custom)?;
        if is_plain(text) {
            self.line.put(b"\"");
            return Ok(());
        }
        let text = text.to_owned();
        self.line.truncate(from - 1);
        self.with_care(&text)
    }
}

impl Compound<'_> {
    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.separate();
        value.serialize(Compact { line: &mut *self.line })
    }

    #[inline]
    fn separate(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            self.line.put(b",");
        }
    }

    /// Keys are names of fields in this program, which need no escape.
    #[inline(always)]
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.line.put(if std::mem::replace(&mut self.begun, true) { b",\"" } else { b"\"" });
        self.line.put(key.as_bytes());
        self.line.put(b"\":");
        value.serialize(Compact { line: &mut *self.line })
    }

    #[inline(always)]
    fn finish(self) -> Result<(), Error> {
        self.line.put(self.end);
        Ok(())
    }
}

impl ser::SerializeSeq for Compound<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTuple for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.separate();
        let from = self.line.octets().len();
        key.serialize(Compact { line: &mut *self.line })?;
        if self.line.octets().get(from) == Some(&b'"') { Ok(()) } else { Err(Error::custom("key must be a string")) }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.line.put(b":");
        value.serialize(Compact { line: &mut *self.line })
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeStruct for Compound<'_> {
    type Ok = ();
    type Error = Error;

    #[inline(always)]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.field(key, value)
    }

    #[inline(always)]
    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.field(key, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Every kind of value that serde knows and a record could come to have.
    #[derive(Clone, Debug, serde::Serialize)]
    enum Any {
        Nothing,
        Flag(bool),
        Small(i8, u8, i16, u16, i32),
        Large { signed: i64, unsigned: u64, ratio: f64 },
        Text(String),
        Letter(char),
        Maybe(Option<u32>),
        List(Vec<Any>),
        Map(BTreeMap<String, Any>),
        Tuple((u32, String)),
    }

    fn any_value() -> impl Strategy<Value = Any> {
        let text = prop_oneof!["[ -~]{0,40}", ".{0,12}", "[\u{0}-\u{1f}\"\\\\]{0,4}"];
        let leaf = prop_oneof![
            Just(Any::Nothing),
            any::<bool>().prop_map(Any::Flag),
            any::<(i8, u8, i16, u16, i32)>().prop_map(|(a, b, c, d, e)| Any::Small(a, b, c, d, e)),
            any::<(i64, u64, f64)>().prop_map(|(signed, unsigned, ratio)| Any::Large { signed, unsigned, ratio }),
            text.clone().prop_map(Any::Text),
            any::<char>().prop_map(Any::Letter),
            any::<Option<u32>>().prop_map(Any::Maybe),
            (any::<u32>(), text.clone()).prop_map(Any::Tuple),
        ];
        leaf.prop_recursive(3, 24, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Any::List),
                prop::collection::btree_map(".{0,6}", inner, 0..5).prop_map(Any::Map),
            ]
        })
    }

    /// The same value printed and not stored.
    struct Shown<'a>(&'a Any);

    impl Serialize for Shown<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&format_args!("{:?}", self.0))
        }
    }

    proptest! {
        #[test]
        fn it_writes_what_serde_json_writes(value in any_value()) {
            let mut line = Line::default();
            line.append(&value).unwrap();
            line.put(b" ");
            line.append(&Shown(&value)).unwrap();
            let expected = [serde_json::to_string(&value).unwrap(), serde_json::to_string(&Shown(&value)).unwrap()];
            prop_assert_eq!(std::str::from_utf8(line.octets()).unwrap(), expected.join(" "));
        }
    }

    #[test]
    fn a_key_that_is_no_string_is_refused() {
        assert!(Line::default().append(&BTreeMap::from([(1, 2)])).is_err());
    }
}
