//! The logins in Secrets.

use secrecy::SecretString;

use crate::{
    catalogs::Login,
    controller::connection::{credentials::without_line_break, secret_data::Content},
    stores::{AzureLogin, Credentials},
};

const STORE_KEYS: &str = "it needs the keys accessKeyID and secretAccessKey (with sessionToken if there is one), or serviceAccount, or \
                          accountName with either accountKey or sasToken";

const CATALOG_KEYS: &str = "a login needs either the key token, or the keys clientID and clientSecret (with tokenURI and scope where \
                            the catalog wants them)";

fn text<'a>(secret: &'a Content, key: &str) -> Result<Option<&'a str>, String> {
    Ok(secret.text(key).transpose()?.map(without_line_break))
}

fn hidden(text: &str) -> SecretString {
    text.into()
}

/// As whom a store is read.
///
/// # Errors
/// What is wrong with the Secret, to go on after its name. Nothing of it is repeated.
pub(super) fn store(secret: &Content) -> Result<Credentials, String> {
    let keys = (text(secret, "accessKeyID")?, text(secret, "secretAccessKey")?);
    let (google, azure) = (text(secret, "serviceAccount")?, text(secret, "accountName")?);
    let login = (text(secret, "accountKey")?, text(secret, "sasToken")?);
    match (keys, google, azure, login) {
        ((Some(id), Some(key)), None, None, (None, None)) => {
            let session_token = text(secret, "sessionToken")?.map(hidden);
            Ok(Credentials::Keys { id: hidden(id), secret: hidden(key), session_token })
        }
        ((None, None), Some(key), None, (None, None)) => Ok(Credentials::ServiceAccount(hidden(key))),
        ((None, None), None, Some(account), (Some(key), None)) => {
            Ok(Credentials::Azure { account: account.to_owned(), login: AzureLogin::Key(hidden(key)) })
        }
        ((None, None), None, Some(account), (None, Some(token))) => {
            Ok(Credentials::Azure { account: account.to_owned(), login: AzureLogin::Sas(hidden(token)) })
        }
        (_, _, _, _) => Err(STORE_KEYS.to_owned()),
    }
}

/// As whom the catalog at `uri` is asked.
///
/// # Errors
/// What is wrong with the Secret, to go on after its name. Nothing of it is repeated.
pub(super) fn catalog(secret: &Content, uri: &str) -> Result<Login, String> {
    match (text(secret, "token")?, text(secret, "clientID")?, text(secret, "clientSecret")?) {
        (Some(token), None, None) => Ok(Login::Token(hidden(token))),
        (None, Some(id), Some(key)) => {
            let own = || format!("{}/v1/oauth/tokens", uri.trim_end_matches('/'));
            let token_uri = text(secret, "tokenURI")?.map_or_else(own, str::to_owned);
            let scope = text(secret, "scope")?.map(str::to_owned);
            Ok(Login::Client { id: hidden(id), secret: hidden(key), token_uri, scope })
        }
        (_, _, _) => Err(CATALOG_KEYS.to_owned()),
    }
}
