"""The one table both lines share: streams, fields, and the types they are told in."""
